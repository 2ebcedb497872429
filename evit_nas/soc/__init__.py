"""What is known of the chips of phones: clusters, part ids, clocks, instruction sets; each fact verified or not."""
