"""The AWS side of Chartwell: what `pulumi up` builds and `pulumi destroy` pauses.

Never imports `pipeline`.
"""
