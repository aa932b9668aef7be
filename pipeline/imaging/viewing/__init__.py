"""An image that is indexed, shown again from its original: one frame through a window, or its values for a viewer.

Every reading cleans the image again. Knows no store, and no one who looks.
"""
