"""Folder to layer to folder: nothing is lost on the way."""
