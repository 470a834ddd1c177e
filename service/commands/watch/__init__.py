"""`takt watch`: a camera, a video or a folder, frame by frame, against a bundle or a server."""
