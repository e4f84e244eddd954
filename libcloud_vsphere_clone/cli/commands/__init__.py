"""The command's verbs, one a file; each is imported when it is used."""
