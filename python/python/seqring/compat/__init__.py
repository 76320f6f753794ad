"""Modules that stand in for other packages: programs change their import and nothing else."""
