"""What images are said to be, out of the repository into files that people edit, and back."""
