#!/bin/sh
# The reply: header lines, an empty line, and whatever belongs to them.
cat <<END
Content-Type: text/plain; charset=utf-8

Hello from a shell script!

method     ${REQUEST_METHOD-}
path-info  ${PATH_INFO-}
query      ${QUERY_STRING-}
pid        $$
END
