"""The commands of the offline side, one file each."""
