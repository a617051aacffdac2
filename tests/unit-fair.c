/* Whose turn a request takes. */
#include <config.h>

#include "../wrapper/fair.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* The key of a request with one parameter, or with two. */
static uint64_t key(const char *by, const char *first, const char *second)
{
	char strings[512];
	struct environment e;
	size_t size = (size_t)sprintf(strings, "%s", first) + 1;
	uint64_t found;

	if (second)
		strcpy(strings + size, second);
	if (!environment_make(&e, strings, second ? 2 : 1))
		abort();
	found = fair_client(&e, by);
	environment_free(&e);
	return found;
}

static uint64_t of_address(const char *address)
{
	char variable[200];

	sprintf(variable, "REMOTE_ADDR=%s", address);
	return key("REMOTE_ADDR", variable, NULL);
}

static bool same(const char *a, const char *b)
{
	return of_address(a) && of_address(a) == of_address(b);
}

static bool no_digits_are_an_address(void)
{
	char digits[120] = "";
	bool none = true;

	for (size_t i = 0; i < sizeof digits - 1; i++) {
		digits[i] = '1';
		none &= !of_address(digits);
	}
	return none;
}

static void check_addresses(void)
{
	ok(same("192.0.2.1", "192.0.2.254"), "addresses of one /24 are one client");
	ok(!same("192.0.2.1", "192.0.3.1"), "those of another are not");
	ok(same("2001:db8:0:100::1", "2001:db8:0:1ff:5::9"), "nor those of one /56 of IPv6 two");
	ok(!same("2001:db8:0:100::1", "2001:db8:0:200::1"), "unlike those of two");
	ok(same("::ffff:192.0.2.7", "192.0.2.1"), "an IPv4 address may be written as IPv6");
	ok(same("fe80::1%eth0", "fe80::2"), "the interface of an address does not count");
	ok(same("192.0.2.1:4711", "192.0.2.1") && same("[2001:db8::1]:443", "2001:db8::1"),
	   "nor does a port");
	ok(!of_address("unix:") && !of_address("") && !of_address("localhost"),
	   "what is no address names nobody");
	ok(!of_address("[]") && !of_address("[") && !of_address("%") && !of_address(":") &&
	   !of_address(",") && !of_address("192.0.2.1 x"), "nor does what looks like one");
	ok(no_digits_are_an_address(), "nor what is too short or too long for one");
}

static void check_other_parameters(void)
{
	ok(key("REMOTE_USER", "REMOTE_USER=jo", "REMOTE_ADDR=192.0.2.1") ==
	   key("REMOTE_USER", "REMOTE_USER=jo", "REMOTE_ADDR=198.51.100.1"),
	   "another parameter may tell clients apart");
	ok(key("REMOTE_USER", "REMOTE_USER=jo", NULL) != key("REMOTE_USER", "REMOTE_USER=al", NULL),
	   "by its text");
	ok(key("REMOTE_USER", "REMOTE_USER=", "REMOTE_ADDR=192.0.2.1") == of_address("192.0.2.1") &&
	   key("REMOTE_USER", "REMOTE_ADDR=192.0.2.1", NULL) == of_address("192.0.2.1"),
	   "who has none goes by the address");
	ok(key("REMOTE_USER", "REMOTE_ADDR=unix:", NULL) == 0, "or is unknown");
	ok(key("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_FOR=10.1.1.1, 192.0.2.1 ",
	       "REMOTE_ADDR=127.0.0.1") == of_address("192.0.2.9"),
	   "of a list of addresses the last counts, which the nearest proxy has added");
	ok(key("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_FOR=192.0.2.1,", NULL) != of_address("192.0.2.1"),
	   "and not another");
	ok(key("REMOTE_USER", "REMOTE_USER=Doe, Jo", NULL) != key("REMOTE_USER", "REMOTE_USER=Roe, Jo", NULL),
	   "a name may have a comma");
	ok(key("none", "REMOTE_ADDR=192.0.2.1", "none=1") == 0 &&
	   key("", "REMOTE_ADDR=192.0.2.1", NULL) == 0, "by none nobody is known");
}

int main(void)
{
	check_addresses();
	check_other_parameters();
	return tap_done();
}
