"""Coming in otherwise than by a session: directories of files, and changes to the database itself."""
