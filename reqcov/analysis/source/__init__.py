"""What a source text says, without anybody running it."""
