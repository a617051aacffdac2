<?php
// See app.pl. What exits is not the process of PHP, so that it is killed in any case.
usleep(1000 * (int)($_GET['ms'] ?? 0));
while (isset($_GET['wait']) && !file_exists($_GET['wait'])) {
	usleep(10000);
	clearstatcache();
}
if (isset($_GET['crash']))
	posix_kill(getmypid(), $_GET['crash'] == 'abort' ? 6 : 9);
header('Content-Type: text/plain');
echo 'pid ', getmypid(), "\n";
