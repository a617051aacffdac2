#!/nonexistent/interpreter
printf 'Content-Type: text/plain\n\nnever\n'
