/* A full-screen view on a terminal, drawn anew each time without flicker. */
#ifndef MC_CLI_SCREEN_H
#define MC_CLI_SCREEN_H

/* Switch to the terminal's second screen, and back. */
void screen_open(void);
void screen_close(void);

/* Show the text, cut to the terminal's size; colours in it are not counted. */
void screen_draw(const char *text);

#endif
