"""What a question asks for, each part read by itself: shape, thing, value, time, section,
examination, patients, count."""
