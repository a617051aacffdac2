#include <config.h>

#include "utf8.h"

size_t utf8_decode(const unsigned char *text, size_t size, uint32_t *character, size_t *missing)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = text[0];
	size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3
			: lead < 0xf5 ? 4 : 0;
	uint32_t c = length == 1 ? lead : length == 0 ? 0 : lead & (0x7fu >> length);

	*missing = 0;
	if (length == 1) { /* most are: without the rest */
		*character = c;
		return 1;
	}
	for (size_t i = 1; i < length; i++) {
		if (i == size) {
			*missing = length - size;
			return 0;
		}
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	*character = c;
	return c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : length;
}

bool utf8_is_obeyed(uint32_t c)
{
	if (c >= ' ' && c < 0x7f) /* most are: without the rest */
		return false;
	return (c < ' ' && c != '\t') || (c >= 0x7f && c <= 0x9f) || c == 0x61c ||
	       c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x206f);
}
