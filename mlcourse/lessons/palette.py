"""The course's colours, as plain data, so that figures and widgets speak one visual language.

The palette of Okabe and Ito ("Color Universal Design", 2008) stays distinguishable with every common form of
colour blindness. Colour never stands alone all the same: tasks carry numbers, methods carry names.
"""

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "bluish green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "reddish purple": "#CC79A7",
}

# Task 1, 2, 3 …, where one picture shows several tasks
TASKS = [OKABE_ITO[name] for name in ("blue", "vermillion", "bluish green", "reddish purple", "orange")]
TASKS_ON_DARK = [OKABE_ITO["sky blue"], *TASKS[1:]]  # blue is too dark to be seen on a dark page

# Methods and baselines, where one picture compares them: (colour, line style of matplotlib)
METHODS = {
    "maml": (OKABE_ITO["blue"], "-"),
    "first-order": (OKABE_ITO["sky blue"], "--"),
    "reptile": (OKABE_ITO["bluish green"], "-."),
    "joint": (OKABE_ITO["orange"], ":"),
    "scratch": (OKABE_ITO["black"], ":"),
}

# Page colours by theme: ink (text, θ), quiet (axes, captions), line (borders), paper (background), accent (focus)
LIGHT = {"ink": "#1B1E23", "quiet": "#555B66", "line": "#C9CED6", "paper": "#FFFFFF", "accent": "#0072B2"}
DARK = {"ink": "#F1F3F5", "quiet": "#AEB6C2", "line": "#4A515C", "paper": "#16181D", "accent": "#56B4E9"}
