"""The pages of a store: as a folder of files, or live."""
