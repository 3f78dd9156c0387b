"""Pages for who is logged in: putting in, describing, reviewing, publishing, taking back."""
