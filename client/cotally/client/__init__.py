"""Ask departments a question together: SDK, command line, checks of every release."""
