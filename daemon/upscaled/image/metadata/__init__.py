"""What travels with the pixels: EXIF, XMP, colour tags, TIFF tags, PNG chunks."""
