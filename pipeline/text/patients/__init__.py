"""Who a note's patient is, as the note says it: names, sex, birth date and age."""
