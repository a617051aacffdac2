#include <config.h>

#include "params.h"

#include <stdint.h>
#include <string.h>

/* A length is one byte, or four with the first one's top bit set. */
static bool read_length(const unsigned char **in, size_t *size, size_t *length)
{
	const unsigned char *p = *in;
	size_t bytes = *size > 0 && p[0] & 0x80 ? 4 : 1;

	if (*size < bytes)
		return false;
	*length = bytes == 1 ? p[0]
			     : (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 |
				       p[3];
	*in += bytes;
	*size -= bytes;
	return true;
}

bool params_next(const unsigned char **in, size_t *size, const unsigned char **name,
		 size_t *name_length, const unsigned char **value, size_t *value_length)
{
	const unsigned char *at = *in;
	size_t left = *size;

	if (!read_length(&at, &left, name_length) || !read_length(&at, &left, value_length) ||
	    *name_length > left || *value_length > left - *name_length)
		return false;
	*name = at;
	*value = at + *name_length;
	*in = *value + *value_length;
	*size = left - *name_length - *value_length;
	return true;
}

size_t params_to_strings(char *bytes, size_t size, size_t *count, bool *complete)
{
	const unsigned char *in = (const unsigned char *)bytes;
	const unsigned char *name, *value;
	size_t name_length, value_length;
	char *out = bytes;

	*count = 0;
	while (params_next(&in, &size, &name, &name_length, &value, &value_length)) {
		if (name_length == 0 || memchr(name, '=', name_length) ||
		    memchr(name, '\0', name_length + value_length))
			continue;
		memmove(out, name, name_length);
		memmove(out + name_length + 1, value, value_length);
		out[name_length] = '=';
		out += name_length + 1 + value_length;
		*out++ = '\0';
		++*count;
	}
	*complete = size == 0;
	return (size_t)(out - bytes);
}

static unsigned char *put_length(unsigned char *out, size_t length)
{
	if (length < 128) {
		*out++ = (unsigned char)length;
		return out;
	}
	*out++ = (unsigned char)(0x80 | length >> 24);
	*out++ = (unsigned char)(length >> 16);
	*out++ = (unsigned char)(length >> 8);
	*out++ = (unsigned char)length;
	return out;
}

size_t params_put(unsigned char *out, const char *name, const char *value)
{
	size_t name_length = strlen(name), value_length = strlen(value);
	unsigned char *at = put_length(put_length(out, name_length), value_length);

	memcpy(at, name, name_length);
	memcpy(at + name_length, value, value_length);
	return (size_t)(at - out) + name_length + value_length;
}
