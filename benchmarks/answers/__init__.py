"""Whether two versions of Takt answer alike, bit by bit: what each says over the wire, compared.

Nothing of Takt is imported here, so that the same program asks every version.
"""
