"""What passes between the supervisor and the workers: messages, connections, and shared counts.

Imports `peers` alone, of the service. Start reading at `messages.py`.
"""
