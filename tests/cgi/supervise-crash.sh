#!/bin/sh
# Says why, and ends at once, with the status that is its argument.
echo "cannot open the database" >&2
echo "it is closed" >&2
exit "${1:-3}"
