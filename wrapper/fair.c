#include <config.h>

#include "fair.h"

#include "hash.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

enum {
	ADDRESS_SIZE = INET6_ADDRSTRLEN + sizeof "[%interface-name]:65535",
	/* Bytes of an address that name a network: of a site, or of one customer. */
	NETWORK_SIZE = 3,
	NETWORK6_SIZE = 7
};

static const char remote[] = "REMOTE_ADDR";

/* Copies what follows the last comma: each proxy adds the address that it has seen. False if
 * that is too long for an address. */
static bool copy_last(char out[ADDRESS_SIZE], const char *value)
{
	const char *comma = strrchr(value, ',');
	size_t length;

	value = comma ? comma + 1 : value;
	value += strspn(value, " \t");
	length = strcspn(value, " \t");
	if (length >= ADDRESS_SIZE || value[length + strspn(value + length, " \t")])
		return false;
	memcpy(out, value, length);
	out[length] = '\0';
	return true;
}

/* Leaves the address alone of "[2001:db8::1]:443", "192.0.2.1:443" and "fe80::1%eth0". */
static char *strip(char *text)
{
	char *colon = strchr(text, ':');

	if (text[0] == '[')
		text[strcspn(text, "]")] = '\0';
	else if (colon && colon == strrchr(text, ':'))
		*colon = '\0';
	text[strcspn(text, "%")] = '\0';
	return text[0] == '[' ? text + 1 : text;
}

/* 0 if the value is no address. */
static uint64_t key_of_address(const char *value)
{
	char copy[ADDRESS_SIZE];
	const char *text;
	struct in_addr four;
	struct in6_addr six;

	if (!copy_last(copy, value))
		return 0;
	text = strip(copy);
	if (inet_pton(AF_INET, text, &four) == 1)
		return hash_bytes(&four, NETWORK_SIZE);
	if (inet_pton(AF_INET6, text, &six) != 1)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&six))
		return hash_bytes(six.s6_addr + 12, NETWORK_SIZE);
	return hash_bytes(&six, NETWORK6_SIZE);
}

uint64_t fair_client(const struct environment *e, const char *by)
{
	const char *value = environment_get_text(e, by);
	uint64_t key;

	if (!*by || strcmp(by, "none") == 0)
		return 0;
	key = value ? key_of_address(value) : 0;
	if (key)
		return key;
	if (value && strcmp(by, remote) != 0)
		return hash_bytes(value, strlen(value));
	value = environment_get_text(e, remote);
	return value ? key_of_address(value) : 0;
}
