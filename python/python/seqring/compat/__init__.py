"""Drop-in replacements for other packages: a program changes only its import."""
