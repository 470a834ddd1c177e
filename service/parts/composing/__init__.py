"""What parts are, what they stand on, and how an app is put together of them.

May import what `parts` may. Start reading at `drain.py`.
"""
