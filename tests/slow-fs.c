/*
 * slow-fs SECONDS MOUNTPOINT: a file system (FUSE) as a network's that has gone slow. The script
 * open.sh takes so long to be opened, and stat.sh to be looked at; prompt.sh is as any file.
 */
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char text[] = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nfrom afar\\n'\n";
static unsigned seconds;

static int slow_getattr(const char *path, struct stat *stat, struct fuse_file_info *info)
{
	(void)info;
	memset(stat, 0, sizeof(*stat));
	stat->st_nlink = 1;
	stat->st_mode = strcmp(path, "/") == 0 ? S_IFDIR | 0755 : S_IFREG | 0755;
	stat->st_size = sizeof(text) - 1;
	if (strcmp(path, "/stat.sh") == 0)
		sleep(seconds);
	else if (strcmp(path, "/") != 0 && strcmp(path, "/open.sh") != 0 &&
		 strcmp(path, "/prompt.sh") != 0)
		return -ENOENT;
	return 0;
}

static int slow_open(const char *path, struct fuse_file_info *info)
{
	(void)info;
	if (strcmp(path, "/open.sh") == 0)
		sleep(seconds);
	return 0;
}

static int slow_read(const char *path, char *buffer, size_t size, off_t at,
	struct fuse_file_info *info)
{
	size_t start = (size_t)at, left;

	(void)path, (void)info;
	if (start >= sizeof(text) - 1)
		return 0;
	left = sizeof(text) - 1 - start;
	memcpy(buffer, text + start, size < left ? size : left);
	return (int)(size < left ? size : left);
}

int main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
		.getattr = slow_getattr, .open = slow_open, .read = slow_read,
	};
	char foreground[] = "-f", *arguments[] = { argv[0], foreground, argv[2], NULL };

	if (argc != 3) {
		fprintf(stderr, "Usage: slow-fs SECONDS MOUNTPOINT\n");
		return 2;
	}
	seconds = (unsigned)strtoul(argv[1], NULL, 10);
	return fuse_main(3, arguments, &operations, NULL);
}
