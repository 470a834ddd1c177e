"""`takt bench`: loads a running server and tells what it did."""
