// Package when reads instants and recurrences as people write them, and computes with them.
//
// It knows dates (RFC 3339, local dates, epoch milliseconds, words), durations and repeat rules. Everything in it is a
// pure function of what was written, an instant and a zone: nothing here reads a clock. All dates are cut to the
// millisecond and lie in the years 1 to 9999, so that each can be written as RFC 3339.
//
// # Wall time and daylight saving
//
// A wall time that a zone skips (the gap in spring) is taken at the gap's end. A wall time that comes twice (the overlap
// in autumn) is taken the first time. Years, months, weeks and days count in wall time; hours and below are exact.
//
// # Zones
//
// Zones are those of the IANA database in the program ([ZoneVersion]), never those of the machine, so that every machine with the same
// program reads a rule alike. Newer zones come with a newer program.
//
// # Words
//
// Words are accepted in these shapes only, upper or lower case, with or without commas; all else is an error that
// shows where the phrase stopped making sense:
//
//	now
//	in <amounts>                  in 5 minutes, in 90s, in 1h30m, in an hour, in half an hour, in 2 weeks and 3 days; also without "in"
//	<amounts> from now            5 minutes from now
//	in <days or longer> at <time> in 3 days at 9am
//	<time>                        at 18:00, 9am, noon, midnight: the next time that the clock shows it
//	<day>                         today, tomorrow, the day after tomorrow, monday, next friday, on friday, 2026-12-24,
//	                              december 31, 31 december 2026, dec 31st, the 1st of may, next weekday (Monday to Friday): the
//	                              start of that day
//	the <place> of <period>       the last day of the month, the first monday of next month, the 15th, the second to last
//	                              weekday of the quarter, the fourth thursday of november: days too
//	end of <period> at <time>     end of month at 18:00: on its last day
//	<day> [at] <time>             tomorrow at 9:30, friday 9am, december 31 at 9pm, 31 december 2026 21:00
//	<time> [on] <day>             noon tomorrow, 9am on friday
//
// A time is 9am, 9:30pm, 9 pm, 17:00, 17:00:30, 17, 17 o'clock, noon or midnight (the start of the day it is said of); an hour alone up
// to 12 could be morning or evening and is an error. A weekday is the next one after today, or today where a time is said
// with it that is still ahead; with "next" it is never today. A place is first to fifth, 1st to 31st, last, second to
// last; a period is the month, quarter or year, with "this" and "next" too, or a month by its name. A day without a
// year, and a place in "the month", is the next one that is not past. What is past stays past: "today at 8am" said at
// noon is eight in the morning. An ISO 8601 duration, PT10S, is that long from now too.
package when
