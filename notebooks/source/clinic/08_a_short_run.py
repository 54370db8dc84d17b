# %% [markdown]
# # Clinic 08
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *Which step for 200 meta-steps?*
# >
# > We have to train on 25 sines with 200 meta-steps, many times a day, each time in a new program. We measured one meta-gradient with one inner step in eight ways, on one CPU core, and repeated each until the time did not change. The compiled step takes 0.36 ms. The library `higher` takes 42.3 ms, the step as PyTorch runs it line by line 2.86 ms, and the recorded one 1.05 ms.
# >
# > So the compiled step is 117 times as fast as `higher` and 7.9 times as fast as the uncompiled one. We compile, and each run finishes in 72 ms.

# %% [markdown]
# ## What you have to check it with
#
# The measured table. `first call` is what the first call of a step took, in seconds; `ms` each later one.

# %%
from mlcourse.experiments import results

stored = results.load("bench_meta_gradient_sinusoid")
rows = {
    row["method"]: {"first call": row["values"]["1 step, first call, s"], "ms": row["values"]["1 step, ms"]}
    for row in stored["rows"]
}
for method, row in rows.items():
    print(f"{method:22} first call {row['first call']:7.3f} s, then {row['ms']:6.2f} ms")


def their_choice(rows, meta_steps):
    """Return the method that finishes a run of so many meta-steps first."""
    return min(rows, key=lambda method: meta_steps * rows[method]["ms"])


print("chosen for 200 meta-steps:", their_choice(rows, 200))

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(choose)`. It takes a function with the arguments of `their_choice`, which returns the method that finishes first. It returns `True` if the function has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "The first call is left out. Compiling takes 11 seconds, and a run of 200 steps pays for it each time, because each run is a new program."
still = "A later call of the compiled step is the fastest. It pays in runs of a hundred thousand steps."
points = {
    "says that the first call, or compiling, is left out": 3,
    "a test that adds the first call to the later ones, and is False for a function that does so": 5,
    "what may still be claimed": 2,
}


def seconds(row, meta_steps):
    return row["first call"] + (meta_steps - 1) * row["ms"] / 1000


def whole_choice(rows, meta_steps):
    return min(rows, key=lambda method: seconds(rows[method], meta_steps))


def exposes(choose):
    chosen = choose(rows, 200)
    return any(seconds(row, 200) < seconds(rows[chosen], 200) for row in rows.values())


flawed, sound = their_choice, whole_choice
compiled, eager, recorded, library = (
    rows[name]["ms"] for name in ("fast, compiled", "fast, eager", "fast, recorded", "higher")
)
stated = {f"{n:.2f}" for n in (compiled, eager, recorded)} | {f"{library:.1f}", f"{library / compiled:.0f}"}
stated |= {f"{eager / compiled:.1f}", f"{200 * compiled:.0f}", "200", "25"}
assert len(rows) == 8 and their_choice(rows, 200) == "fast, compiled" and whole_choice(rows, 200) == "fast, eager"
assert exposes(flawed) and not exposes(sound)
assert seconds(rows["fast, compiled"], 200) > seconds(rows["higher"], 200)
assert whole_choice(rows, 100_000) == "fast, compiled"
