"""What numbers of a picture are which colours: profiles read, judged and made. Pure."""
