# %% [markdown]
# # What is a task?
#
# On this page you build two endless families of tasks, one of curves and one of characters, in a dozen lines each. Then you test one learner on two sets of tasks, and all the drawings in both are new to it. One of its two scores is worthless. By the end you know which one, and why.
#
# > **Recall.** In notebook 00 a guess joined five dots with straight lines. Its error on the five points was 0. On the whole wave it was 7.7, more than for a flat line. Which of the two numbers measures *learning*?
# >
# > <details><summary>Answer</summary>
# >
# > The second. The learner was shown the five points, so getting them right proves nothing. Learning shows on points that were held back. That is why every task on this page has two parts.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | support and query, splits, the two loops |
# | **You will be able to** | build a family of tasks and sample from it · say what support and query are for · read the shapes of a batch of tasks · tell an inner step from an outer one · split data for meta-learning without a leak |
# | **You need** | [00](00_start_here.ipynb), and NumPy arrays with several axes |
# | **Time** | 35 minutes to read, 30 for the exercises, about 15 seconds to run |
# | **Skip it if** | you can say what meta-test must not share with meta-train, and what goes wrong when a class keeps its label in every task |

# %% tags=["setup"]
import numpy as np

from mlcourse.lessons import checks, figures
from mlcourse.tasks import Examples, Sinusoids, Task, each, five_points, one, stack

# %% [markdown] slide=["A task is two sets of examples", "The **support** set: learn from it.", "The **query** set: be judged on it."]
# ## One task: learn from a few, be judged on others
#
# A **task** is something to be learned from a few examples. It consists of two sets of examples:
#
# - the **support** set: what you may learn from;
# - the **query** set: other examples of the same thing, on which you are judged.
#
# An example is a pair: an input $x$ and its value or label $y$. So task number $i$ is two lists of pairs $(x, y)$:
#
# $$\text{task}_i = (\text{support}_i,\ \text{query}_i).$$
#
# The five points of notebook 00 are a task. In code, `Task` and `Examples` are named tuples, nothing more.

# %%
task, wave = five_points()

print("support", task.support.x.shape, task.support.y.shape)
print("query  ", task.query.x.shape, task.query.y.shape)

# %% [markdown]
# Five examples to learn from, 201 to be judged on. Each $x$ and each $y$ is one number.
#
# A **learner** is a function. It gets the support set and all the *inputs* $x$ of the query set, and answers with a prediction for each of them:
#
# $$\hat y = \text{learner}(\text{support}_i,\ x).$$
#
# It never gets the $y$ of the query set. Only the judge has those.

# %% [markdown]
# ## A family of tasks: one wave is not enough
#
# One task can teach one curve. To practise *learning* you need many tasks of the same kind, a **family**. A family is a recipe from which you can sample a new task, again and again. Papers call it a distribution over tasks, $p(\mathcal{T})$.
#
# The family of our five points has three lines:
#
# 1. sample an amplitude $A$ between 0.1 and 5, and a phase $p$ between 0 and $\pi$: from here on we call them the height and the shift of the wave;
# 2. sample some inputs $x$ between −5 and 5;
# 3. compute $y = A \sin(x - p)$.
#
# `k_shot` says how many examples go into the support set, and `n_query` how many go into the query set. For waves, both count the examples of a *whole task*. For tasks with classes, further down, both count the examples of *each class*.

# %%
def sine_task(k_shot, n_query, rng):
    amplitude = rng.uniform(0.1, 5.0)
    phase = rng.uniform(0.0, np.pi)
    x = rng.uniform(-5.0, 5.0, size=(k_shot + n_query, 1))
    y = amplitude * np.sin(x - phase)
    support = Examples(x[:k_shot], y[:k_shot])
    query = Examples(x[k_shot:], y[k_shot:])
    return Task(support, query)

# %% [markdown]
# That is the whole family. Sample four tasks from it. `stack` puts them into one batch:

# %%
rng = np.random.default_rng(3)
four = stack([sine_task(k_shot=5, n_query=20, rng=rng) for _ in range(4)])

# %% tags=["hide-input"] slide=["One family: all are sines, height and shift differ"]
figures.show(figures.sine_tasks(four), alt="Four panels, each with five filled support points and twenty hollow query points of one sine wave. The waves differ in height and shift and have the same length.")

# %% [markdown]
# Compare the panels. What is *common* to all: they are sines, and each repeats after $2\pi$. What *differs*: the height and the shift.
#
# Ask this of any family: what is common, and what differs? **What is common can be learned in advance, from other tasks. What differs must come from the support set.** Five points are few for a curve, but plenty for two numbers.
#
# The course's version is called `Sinusoids`. From the same seed it samples the same task as yours:

# %%
ours = sine_task(k_shot=5, n_query=20, rng=np.random.default_rng(1))
theirs = one(Sinusoids(k_shot=5, n_query=20).sample(1, np.random.default_rng(1)), 0)

print(np.array_equal(ours.support.y, theirs.support.y), np.array_equal(ours.query.y, theirs.query.y))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert task.support.x.shape == (5, 1) and task.query.x.shape == (201, 1)
for part in (0, 1):
    assert np.array_equal(ours[part].x, theirs[part].x) and np.array_equal(ours[part].y, theirs[part].y)

# %% [markdown]
# ## Many tasks in one array: the axis T
#
# `sample(n_tasks, rng)` samples many tasks at once. They have equal sizes, so they fit into one array, with the tasks along the *first* axis. The number of tasks is called $T$ everywhere in this course.

# %%
tasks = Sinusoids(k_shot=5, n_query=20).sample(4, np.random.default_rng(0))

print("all four", tasks.support.x.shape, " query", tasks.query.x.shape)
print("number 2", one(tasks, 2).support.x.shape)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert tasks.support.x.shape == (4, 5, 1) and tasks.query.x.shape == (4, 20, 1)
assert one(tasks, 2).support.x.shape == (5, 1)

# %% [markdown]
# Read (4, 5, 1) from the left: 4 tasks, 5 examples each, 1 number each. `one(tasks, i)` takes task $i$ out, and `for task in each(tasks)` goes through all of them.

# %% [markdown]
# ### Exercise 1.1 ●○○○○ Cut a batch into support and query
# *5 minutes. Why it matters: a cut along the wrong axis mixes up tasks with examples, and NumPy gives no error.*
#
# `x` and `y` hold `T` tasks with `S` examples each, both of shape `(T, S, 1)`. Write `cut`: in *every* task the first `k_shot` examples become the support set, all others the query set.

# %% tags=["exercise"]
def cut(x, y, k_shot):
    """Return Task(support, query), each an Examples(x, y) with the task axis in front."""
    support = ...
    query = ...
    return Task(support, query)

# %% tags=["check"]
checks.nb01.cut(cut)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Axis 0 counts tasks, axis 1 counts examples. Along which of them do you cut? All tasks must still be there afterwards.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `x[:, :3]` takes everything along axis 0, and the first three along axis 1. `x[:, 3:]` takes the rest. An `Examples` needs `x` and `y` cut in the same way.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def cut(x, y, k_shot):
#     support = Examples(x[:, :k_shot], y[:, :k_shot])
#     query = Examples(x[:, k_shot:], y[:, k_shot:])
#     return Task(support, query)
# ```
#
# With `x[:k_shot]` you would get the first `k_shot` *tasks*, whole. That runs without an error too.
#
# </details>

# %% [markdown]
# ## Two loops: learning, and learning to learn
#
# What do you do with a family of tasks? Nearly everything in this course is two loops, one inside the other.
#
# - The **inner loop** learns *one task*. It starts from $\theta$ (theta): the weights of a network, the same for every task. It uses the support set of task $i$, changes its own copy of the weights and ends with $\varphi_i$ (phi), which belongs to that task alone. We score $\varphi_i$ on the query set and then throw it away.
# - The **outer loop** learns *how to start*. It uses the query errors of the $\varphi_i$ of several tasks to change $\theta$. Only $\theta$ is kept.

# %% tags=["hide-input"] jupyter={"source_hidden": true} slide=["Inner loop: learn a task. Outer loop: where to start"]
from matplotlib.patches import FancyBboxPatch
from mlcourse.lessons import palette

def box(axes, x, y, width, height, text="", colour=figures.INK, **words):
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.2", facecolor="white", edgecolor=colour, linewidth=1.5)
    axes.add_patch(shape)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", **words)

def arrow(axes, start, end, colour=figures.QUIET):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.6, "shrinkA": 0, "shrinkB": 0})

with figures.style():
    figure, axes = figures.canvas(height=4.5)
    box(axes, 0, 0, 10, 10)
    axes.text(0.3, 9.45, "Outer loop: change θ, which all tasks share", va="center", fontsize=10)
    box(axes, 4.6, 7.7, 1.6, 1.1, "θ", fontsize=14)
    box(axes, 2.6, 0.4, 5.6, 1.1, "mean of the query errors", fontsize=10)
    for i in range(3):
        left, colour = 1.15 + 2.95 * i, palette.TASKS[i]
        arrow(axes, (5.4, 7.7), (left + 1.3, 6.95))
        box(axes, left, 2.35, 2.6, 4.6, colour=colour)
        lines = [(6.5, f"inner loop, task {i + 1}", 8.4), (5.6, "learn from\nsupport", 9.5), (4.15, f"φ{'₁₂₃'[i]}", 15), (2.9, "judge on query", 9.5)]
        for height, text, size in lines:
            axes.text(left + 1.3, height, text, ha="center", va="center", fontsize=size)
        arrow(axes, (left + 1.3, 5.05), (left + 1.3, 4.55), colour)
        arrow(axes, (left + 1.3, 3.75), (left + 1.3, 3.25), colour)
        arrow(axes, (left + 1.3, 2.35), (5.4 + 0.9 * (i - 1), 1.5))
    axes.plot([2.6, 0.6, 0.6], [0.95, 0.95, 8.25], color=figures.INK, linewidth=1.6)
    arrow(axes, (0.6, 8.25), (4.6, 8.25), figures.INK)
    axes.text(1.0, 8.6, "outer step: move θ", fontsize=9.5, va="center")
    axes.set(xlim=(-0.1, 10.1), ylim=(-0.1, 10.1))
    axes.set_axis_off()
figures.show(figure, alt="A large box, the outer loop. At its top stands θ. Arrows lead from θ into three smaller boxes, the inner loops of tasks 1 to 3: learn from support, φ, judge on query. Their query errors are averaged at the bottom, and an arrow leads from there back to θ: the outer step.")

# %% [markdown] slide=["Twelve outer steps of MAML", "At θ the mean loss is 4.7, and 3.4 after three inner steps.", "What will both numbers be after twelve outer steps?"]
# Follow the arrows once around: from $\theta$ down through three inner loops, and back up. One turn is one **outer step**, or *meta-step*. The small steps inside a coloured box are **inner steps**.
#
# Methods differ in *how* they move $\theta$. Notebooks 04 to 06 are about that. Today, just watch one of them, MAML. The stepper has three tasks, each a wave with five support points. Here $\theta$ is only two numbers, the height and the shift of a wave, so it is one point in the picture called *parameter space*. Leave the folded panel *What is differentiated* for notebook 05.
#
# 1. Press **Inner step** three times. Three copies leave $\theta$, one for each task. $\theta$ itself stays.
# 2. Press **Outer step**. Now $\theta$ moves, and the copies are gone.
# 3. Pull the slider to the far right: twelve outer steps.
#
# **Predict.** The mean loss of the three tasks is 4.7 at $\theta$ itself. Three inner steps from there bring it to 3.4. After twelve outer steps both numbers are smaller. Guess both: at $\theta$ itself, and after three inner steps.

# %% slide=["3.1 at θ itself, 0.3 after three inner steps"]
from mlcourse.lessons.widgets import Stepper

Stepper(methods=["maml"], folded=True)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
loops = Stepper(methods=["maml"]).loops
losses = loops.runs["maml"].losses
assert losses.shape == (13, 4)
height, shift = loops.runs["maml"].theta[12]
curve_of_theta = height * np.sin(loops.tasks.query.x - shift)
of_each = np.mean((curve_of_theta - loops.tasks.query.y) ** 2, axis=(1, 2))
assert np.allclose(of_each, [3.8, 0.8, 4.8], atol=0.06), of_each
copy_3 = loops.runs["maml"].paths[0, 2]
assert copy_3[1][0] < copy_3[0][0] and np.linalg.norm(copy_3[1] - (3, 2.8)) > np.linalg.norm(copy_3[0] - (3, 2.8))
assert np.allclose(losses[[0, 0, 12, 12], [0, 3, 0, 3]], [4.7, 3.4, 3.1, 0.3], atol=0.06), losses[[0, 12]]

# %% [markdown]
# **What you saw.** At $\theta$ itself the mean loss is still 3.1, but three inner steps now lead to 0.3. One curve cannot fit three waves: the curve of $\theta$, the thickest one, comes near task 2, with a loss of 0.8, and is far from the other two, with 3.8 and 4.8. The outer loop did not look for a good curve. It looked for a place from which good curves are *near*.
#
# Did you notice copy 3 in the first round? It first moves *away* from its star. Its wave is nearly the opposite of $\theta$'s wave, and the quickest way to be less wrong is to become flatter.

# %% [markdown]
# ## Tasks of characters
#
# Curves are easy to look at. But most work on *few-shot learning*, which is learning from a few examples, is about images. So here is the second family. To make a task:
#
# - choose `n_way` characters: these are the *classes* of this task;
# - call them 0, 1, 2, … in the order in which they were chosen: these are the *labels* $y$;
# - take `k_shot` drawings of *each class* as the support set, and `n_query` *other* drawings of *each class* as the query set.
#
# So `k_shot` changes its meaning here: no longer the examples of a task, but the examples of each class. Papers use the word in both ways too. The learner gets the support drawings with their labels, and must name the label of each query drawing. People say "5-way 1-shot": five classes, one drawing each.

# %%
from mlcourse.tasks.lessons import characters

splits = characters()
splits.test.images.shape

# %% [markdown]
# The embedded characters come from the world's writing systems. They are *rendered*: a program draws each one twenty times, with variations. By comparing pixels, they are about as hard to tell apart as real handwriting: `data/glyphs/README.md` has the numbers. If you have downloaded Omniglot, 1,623 handwritten characters, the line above says so. Then the cells use it, and your numbers differ a little from those in the text.
#
# The shape says: 671 characters, 20 drawings of each, 28 × 28 pixels. Now build the family. For the `i`-th chosen character, `images[chosen[:, None], shown]` takes the drawings whose numbers are in row `i` of `shown`.

# %%
def episode(images, chosen, k_shot, n_query, rng):
    """One task; images (characters, drawings, H, W). The i-th of the chosen characters gets the label i."""
    numbers = np.tile(np.arange(images.shape[1]), (len(chosen), 1))     # a row 0 … 19 for each class
    shown = rng.permuted(numbers, axis=1)[:, : k_shot + n_query]        # each row shuffled: no drawing twice
    drawings = images[chosen[:, None], shown] / 255                     # (n_way, k_shot + n_query, H, W)
    return Task(as_examples(drawings[:, :k_shot]), as_examples(drawings[:, k_shot:]))

def as_examples(drawings):
    n_way, each_class, height, width = drawings.shape
    x = drawings.reshape(n_way * each_class, 1, height, width)          # 1 colour channel
    return Examples(x, np.repeat(np.arange(n_way), each_class))

# %%
images, rng = splits.test.images, np.random.default_rng(8)
chosen = rng.choice(len(images), size=5, replace=False)
mine = episode(images, chosen, k_shot=1, n_query=4, rng=rng)

print("support", mine.support.x.shape, mine.support.y)
print("query  ", mine.query.x.shape, mine.query.y)

# %% tags=["hide-input"] slide=["Five classes, one drawing of each"]
figures.show(figures.episode_grid(mine, n_query=4), alt="A 5-way 1-shot task: five rows named class 0 to class 4, one framed support drawing and four query drawings in each.")

# %% [markdown]
# Without the left column, the drawings on the right could have any label. The support set says what "class 0" means *in this task*. In the next task it is another character.
#
# The course's version is `Episodes`. *Episode* is another word for a task. It has the task axis in front, like everything that is sampled:

# %%
from mlcourse.tasks.images import Episodes

family = Episodes(splits.test, n_way=5, k_shot=1, n_query=4)
tasks = family.sample(600, np.random.default_rng(0))

print("support", tasks.support.x.shape, tasks.support.y.shape)
print("query  ", tasks.query.x.shape, tasks.query.y.shape)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
GLYPHS = splits.test.name == "glyphs"  # with Omniglot the numbers differ a little from those in the text
assert not GLYPHS or images.shape == (671, 20, 28, 28)
assert mine.support.x.shape == (5, 1, 28, 28) and mine.query.x.shape == (20, 1, 28, 28)
assert tasks.support.x.shape == (600, 5, 1, 28, 28) and tasks.query.y.shape == (600, 20)
assert np.array_equal(mine.query.y, tasks.query.y[0]) and np.array_equal(mine.support.y, tasks.support.y[0])

# %% [markdown]
# 600 tasks, 5 drawings, 1 colour channel, 28 × 28 pixels. The labels need no further axes: one whole number for each drawing.
#
# Here are 24 tasks to leaf through. Press **Another episode** and find a character that appears again: it has a different label now. Then choose *hide them: I guess*, and be the learner yourself.

# %% slide=["Another task, other labels: you are the learner"]
from mlcourse.lessons.widgets import EpisodeBrowser

EpisodeBrowser(splits.test)

# %% [markdown] slide=["7-way, 2-shot, 4 queries of each class", "A drawing has one colour channel and 28 × 28 pixels.", "Which shapes have the support set and the query set?"]
# **Predict.** A 7-way task has `k_shot = 2` and `n_query = 4`. How many axes do its `support.x` and `query.x` have, and how long is each axis? Set the sliders above to these numbers if you like.

# %% slide=["Classes and shots share one axis"]
seven_way = one(Episodes(splits.test, n_way=7, k_shot=2, n_query=4).sample(1, np.random.default_rng(0)), 0)

print("support", seven_way.support.x.shape)
print("query  ", seven_way.query.x.shape)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert seven_way.support.x.shape == (14, 1, 28, 28) and seven_way.query.x.shape == (28, 1, 28, 28)
assert len(EpisodeBrowser(splits.test).deck.classes) == 24

# %% [markdown]
# **What you saw.** `(14, 1, 28, 28)` and `(28, 1, 28, 28)`. Classes and shots share *one* axis: seven classes times two, and seven times four. Only the labels say which drawing belongs to which class.

# %% [markdown] slide=["Find the support drawing whose pixels are closest.", "Answer with its label."]
# ### Exercise 1.2 ●●○○○ A first learner
# *10 minutes. Why it matters: this is the baseline that every few-shot method must beat. Without it, no percentage means anything.*
#
# Write the simplest learner there is, the *nearest neighbour*. For each query drawing find the support drawing whose pixels are closest (sum of squared differences), and answer with **its label**. To begin with: `query_x[:, None] - support.x[None]` is every query drawing minus every support drawing, of shape `(Q, S, 1, H, W)`.

# %% tags=["exercise"]
def nearest_label(support, query_x):
    """support.x (S, 1, H, W), support.y (S,), query_x (Q, 1, H, W) -> labels, (Q,)."""
    return ...

# %% tags=["check"]
checks.nb01.nearest_label(nearest_label)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# The differences have five axes. You need one distance for each query and each support drawing, `(Q, S)`: square, then sum over the other three axes. `.sum(axis=(2, 3, 4))` does that.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Each row of the distances belongs to one query drawing. `argmin` along that row gives the *place* of the nearest support drawing; `support.y` has the label at that place.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def nearest_label(support, query_x):
#     difference = query_x[:, None] - support.x[None]
#     distance = (difference**2).sum(axis=(2, 3, 4))
#     return support.y[distance.argmin(axis=1)]
# ```
#
# In a 1-shot task the place and the label are the same number, so forgetting `support.y` goes unnoticed, until you ask for five shots.
#
# </details>

# %% [markdown] slide=["Comparing pixels, with five drawings", "Guessing gives 20 %, one drawing of each 43 %.", "What do five drawings of each give?"]
# ## How hard are these tasks?
#
# Is your family the same as the course's? Yours and the course's use the random numbers in a different order, so the tasks differ. But the same learner should find them equally hard. Here that learner is the packaged version of exercise 1.2: calling `nearest_neighbour()` makes it.
#
# **Predict.** Guessing gives 20 %. With one drawing of each character, comparing pixels got about 43 % in notebook 00. What will it get with five drawings of each? Write down a number.

# %% slide=["64 %"]
from mlcourse.baselines import nearest_neighbour

compare_pixels = nearest_neighbour()    # a learner: (support, query_x) -> labels

def accuracy(learner, tasks):
    return np.mean([np.mean(learner(task.support, task.query.x) == task.query.y) for task in tasks])

my_tasks = [
    episode(images, rng.choice(len(images), 5, replace=False), k_shot=1, n_query=4, rng=rng)
    for _ in range(600)
]
five_shot = Episodes(splits.test, n_way=5, k_shot=5, n_query=4).sample(600, np.random.default_rng(0))

print(f"1 shot, my family     {accuracy(compare_pixels, my_tasks):.1%}")
print(f"1 shot, the course's  {accuracy(compare_pixels, each(tasks)):.1%}")
print(f"5 shots               {accuracy(compare_pixels, each(five_shot)):.1%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
one_shot = [accuracy(compare_pixels, my_tasks), accuracy(compare_pixels, each(tasks))]
more_shots = accuracy(compare_pixels, each(five_shot))
assert abs(one_shot[0] - one_shot[1]) < 0.03, one_shot
assert more_shots > max(one_shot) + 0.1
assert not GLYPHS or (all(0.43 < a < 0.445 for a in one_shot) and abs(more_shots - 0.64) < 0.01), (one_shot, more_shots)

# %% [markdown]
# **What you saw.** 64 % with five drawings; with one drawing 43 to 44 %, for both families. The two 1-shot numbers differ a little because 600 tasks are a sample. Notebook 03 says how much difference to expect.

# %% [markdown]
# ## When is a task new?
#
# A learner is trained on some tasks and tested on others. What must be different about these others? We want to know how it does on characters that are new to it. So we divide the *classes* first, and sample tasks afterwards:

# %% tags=["hide-input"] slide=["A new task has new classes"]
parts = {f"meta-{name}": part for name, part in splits._asdict().items()}
sizes = {name: len(part) for name, part in parts.items()}
shown = {name: part.images[:: len(part) // 6, 0][:6] / 255 for name, part in parts.items()}
figure = figures.class_split(sizes, images=shown, of="characters")
figures.show(figure, alt="Three bars: most characters are in meta-train, fewer in meta-test, fewest in meta-val. Above each bar six of its characters; no character is in two of them.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
scripts = [set(part.alphabet.tolist()) for part in splits]
assert not GLYPHS or not (scripts[0] & scripts[1] or scripts[0] & scripts[2] or scripts[1] & scripts[2])
assert sizes["meta-train"] > sizes["meta-test"] and (not GLYPHS or sizes["meta-test"] > sizes["meta-val"]), sizes

# %% [markdown]
# - **meta-train**: tasks for the outer loop to practise on;
# - **meta-val**: tasks for choosing settings, such as a learning rate;
# - **meta-test**: tasks for the final score. You do not look at them before.
#
# No character is in two of them. Our parts share no *script*, that is, no writing system, so similar characters are not in two parts either. Now there are two levels of "learn from" and "be judged on". Keep them apart:
#
# | | learn from | be judged on |
# | --- | --- | --- |
# | within a task (inner loop) | support | query: the *same* classes, other drawings |
# | over all tasks (outer loop) | meta-train | meta-test: *other* classes |
#
# With waves it is easier. There are infinitely many, so each sample is a new wave. A different random seed is enough.

# %% [markdown]
# ### Exercise 1.3 ●●○○○ Split the classes
# *10 minutes. Why it matters: you will do this with your own data, and no error message tells you when it is wrong.*
#
# Write `split`. It divides the class numbers `0 … n_classes - 1` at random into three arrays, in this order: meta-train, meta-val, meta-test. Meta-val gets `n_val` of them, meta-test gets `n_test`, and meta-train gets all others.

# %% tags=["exercise"]
def split(n_classes, n_val, n_test, rng):
    """Return three arrays of class numbers: train, val, test. Use rng, a NumPy generator."""
    return ..., ..., ...

# %% tags=["check"]
checks.nb01.split(split)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Shuffle once, then cut the shuffled row into three pieces. If you draw three times, nothing stops a class from being drawn twice.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `rng.permutation(n_classes)` is a shuffled row of all class numbers. The first `n_val` of it are meta-val; where does meta-test begin, and where does it end?
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def split(n_classes, n_val, n_test, rng):
#     order = rng.permutation(n_classes)
#     val = order[:n_val]
#     test = order[n_val : n_val + n_test]
#     train = order[n_val + n_test :]
#     return train, val, test
# ```
#
# One shuffle and three cuts: every class is in exactly one piece. Shuffling matters too, because stored classes often stand in an order (by script, by date, by how common they are).
#
# </details>

# %% [markdown]
# ## What can go wrong
#
# ### Splitting by drawing
#
# In ordinary learning you keep some *examples* of every class for the test: fifteen drawings of each character to train on, the other five to test with. No test drawing was used in training. In meta-learning you keep whole *classes*. In a table of characters and drawings, these are two different cuts:

# %% tags=["hide-input"] jupyter={"source_hidden": true} slide=["The same table, cut in two ways"]
with figures.style():
    figure, panels = figures.canvas(1, 2, height=2.7, sharey=True)
    for panel, title in zip(panels, ("split by drawing", "split by class")):
        kept_back = np.zeros((8, 8), bool)
        kept_back[(slice(None), slice(6, None)) if title == "split by drawing" else (slice(6, None), slice(None))] = True
        rows, columns = np.indices(kept_back.shape)
        for part, marker, colour, name in ((~kept_back, "s", palette.TASKS[0], "training"), (kept_back, "D", palette.TASKS[1], "test")):
            size = 95 if marker == "s" else 60
            panel.scatter(columns[part], rows[part], s=size, marker=marker, color=colour, label=name)
        panel.set(title=title, xlabel="drawings", xticks=[], yticks=[], xlim=(-0.7, 7.7), ylim=(7.7, -0.7), aspect="equal")
        panel.spines[:].set_visible(False)
    panels[0].set_ylabel("characters")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
figures.show(figure, alt="The same table twice: a row for each of eight characters, a column for each of eight drawings. Split by drawing: the last two columns are for the test, so every character is in training too. Split by class: the last two rows are for the test, so their characters are not in training.")

# %% [markdown]
# Does it matter which cut you take? Here is a learner with a memory. It keeps the fifteen training drawings of each of thirty characters. It describes a drawing by thirty numbers: its similarity to each of these characters. Then it compares descriptions instead of pixels, and takes the label of the support drawing with the nearest description. The code is folded: `squared_distances` and `with_memory`. You do not need its details.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
def squared_distances(a, b):                           # (n, pixels) and (m, pixels) -> (n, m)
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T

def with_memory(kept):                                 # kept: (characters, drawings, H, W)
    known = kept.reshape(-1, 28 * 28) / 255

    def describe(x):                                   # x (n, 1, H, W) -> (n, characters)
        distance = squared_distances(x.reshape(len(x), -1), known)
        smallest = distance.reshape(len(x), len(kept), -1).min(axis=2)   # to the nearest drawing of each
        alike = np.exp(-smallest / 3)                                    # near: large, far: almost 0
        return alike / np.linalg.norm(alike, axis=1, keepdims=True)

    return nearest_neighbour(describe)                 # a learner that compares descriptions

# %% [markdown] slide=["A learner that remembers thirty characters", "It meets new drawings of them, or new characters.", "More than pixels, the same, or less?"]
# We test it on two sets of tasks, 5-way 1-shot. In both, all drawings are new to the learner:
#
# - *split by drawing*: other drawings of the thirty characters in its memory;
# - *split by class*: drawings of characters that are not in its memory.
#
# The two sets hold different characters, so one of them may simply be harder. Comparing pixels is our control: it has no memory, and gets a little more than 40 % on either set.
#
# **Predict.** What will the memory get on the first set, and what on the second: more than pixels, the same, or less? Guess both numbers.

# %%
import dataclasses

thirty = splits.train.take(np.random.default_rng(0).choice(len(splits.train), 30, replace=False))
memory = with_memory(thirty.images[:, :15])

def new_drawings(image_set):                      # the last five drawings of each character, as tasks
    held_back = dataclasses.replace(image_set, images=image_set.images[:, 15:])
    return Episodes(held_back, n_way=5, k_shot=1, n_query=4).sample(600, np.random.default_rng(1))

by_drawing, by_class = new_drawings(thirty), new_drawings(splits.test)
score = {
    name: [accuracy(learner, each(tasks)) for tasks in (by_drawing, by_class)]
    for name, learner in (("pixels", compare_pixels), ("memory of thirty characters", memory))
}

# %% tags=["hide-input"] slide=["Much more, and nothing: only the split by class shows it"]
figures.table(
    [[name, *(f"{value:.1%}" for value in values)] for name, values in score.items()],
    columns=["what is compared", "split by drawing", "split by class"],
    caption="Share of query drawings named correctly, over 600 tasks, 5-way 1-shot",
)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert score["memory of thirty characters"][0] > score["pixels"][0] + 0.1, score
assert score["memory of thirty characters"][1] < score["memory of thirty characters"][0] - 0.08, score
if GLYPHS:
    want = {"pixels": [0.41, 0.43], "memory of thirty characters": [0.59, 0.41]}
    assert all(np.allclose(score[name], want[name], atol=0.012) for name in want), score

# %% [markdown]
# **What you saw.** Split by drawing, the memory looks much better than pixels: 59 % against 41 %. Split by class, the same learner gets 41 %, and pixels 43 %. The 59 % is the worthless number. The memory helps with the thirty characters that it holds, and not at all with *new* ones. Only the split by class shows this.
#
# Now the same with three hundred characters in memory, on 150 of the tasks that are split by class:

# %%
many = splits.train.take(np.random.default_rng(0).choice(len(splits.train), 300, replace=False))
with_many = accuracy(with_memory(many.images[:, :15]), list(each(by_class))[:150])    # 150 tasks: it is slow
print(f"300 in memory, new characters: {with_many:.1%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert with_many > score["pixels"][1] + 0.05, with_many
assert not GLYPHS or abs(with_many - 0.54) < 0.02, with_many

# %% [markdown]
# The 54 % is well above the 43 % of pixels, so memory itself is not the problem. This gain was learned from other characters. Notebooks 07 and 08 do this properly. You can trust the number because it was measured by class.
#
# ### A class that keeps its label
#
# Suppose that a character keeps its label in every task: character 0 is always class 0, character 1 always class 1, and so on. Here is a learner that never uses the support set. It finds the nearest drawing in its memory, and answers with the label that this character always had.

# %%
known = thirty.images[:, :15].reshape(-1, 28 * 28) / 255

def ignores_support(support, query_x):
    place = squared_distances(query_x.reshape(len(query_x), -1), known).argmin(axis=1)
    character = place // 15                       # fifteen drawings of each character, one after the other
    return character % 5                          # character c always had the label c % 5

def tasks_of(images, shuffled):
    rng = np.random.default_rng(2)
    for _ in range(600):
        chosen = np.arange(5) + 5 * rng.integers(6, size=5)     # one character for each label
        chosen = rng.permutation(chosen) if shuffled else chosen
        yield episode(images[:, 15:], chosen, k_shot=1, n_query=4, rng=rng)

# %% [markdown] slide=["A learner that ignores the support set", "Known or new characters, fixed or reassigned labels.", "Which of the four scores are well above 20 %?"]
# **Predict.** It has four scores. The characters are the thirty known ones or thirty new ones. The labels are fixed, or reassigned at random in each task. Guessing gets 20 %. Which of the four scores are well above that?

# %%
thirty_new = splits.test.take(np.random.default_rng(1).choice(len(splits.test), 30, replace=False))
without_support = {
    name: [accuracy(ignores_support, tasks_of(part.images, shuffled)) for shuffled in (False, True)]
    for name, part in (("known characters", thirty), ("new characters", thirty_new))
}

# %% tags=["hide-input"] slide=["Only one: known characters with fixed labels"]
figures.table(
    [[name, *(f"{value:.1%}" for value in values)] for name, values in without_support.items()],
    columns=["a learner that ignores the support set", "labels fixed", "labels reassigned"],
    caption="Share of query drawings named correctly, over 600 tasks, 5-way 1-shot",
)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert without_support["known characters"][0] > 0.4, without_support
others = [without_support["known characters"][1], *without_support["new characters"]]
assert all(abs(value - 0.2) < (0.02 if GLYPHS else 0.05) for value in others), without_support
assert not GLYPHS or abs(without_support["known characters"][0] - 0.58) < 0.015, without_support

# %% [markdown]
# **What you saw.** Only one: known characters with fixed labels, 58 %. It is near the 59 % above only by chance. The other three are within two points of 20 %. A meta-learner that is trained on fixed labels can use this shortcut: it memorises labels and ignores the support set. Then on new characters it is no better than guessing. When labels are reassigned at random in each task, the shortcut is closed. Then only the support set says what "class 0" means.

# %% [markdown]
# ### Exercise 1.4 ●●○○○ Split a botanist's data
# *5 minutes. Why it matters: all five splits run, and all five give you a percentage.*
#
# You have 9,000 photographs of 300 kinds of plants, 30 of each, taken in 20 gardens. Each kind grows in several gardens. You meta-train a learner. Then botanists in other gardens use it. They give it a few photographs of a kind that was not in its training. How do you make the meta-test tasks? Answer with one letter in quotes, such as `"a"`.
#
# - **a**: keep six photographs of every kind for meta-test.
# - **b**: keep 60 kinds for meta-test, with all their photographs.
# - **c**: keep four gardens for meta-test, with all their photographs.
# - **d**: sample 10,000 tasks from all the kinds, and keep 2,000 of these tasks for meta-test.
# - **e**: keep 60 kinds and four gardens. Meta-test gets the photographs of these kinds in these gardens, meta-train those of the other kinds in the other gardens, and the rest is left out.

# %% tags=["exercise"]
choice = ...

# %% tags=["check"]
checks.nb01.which_split(choice)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# What will be new when the botanists use it? There are two things. The same two must be new in your test.
#
# </details>
# <details><summary>Hint 2</summary>
#
# For each of the five, ask two questions. Can a kind in a meta-test task have been in meta-train? Can a garden? Answer with a letter in quotes.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# choice = "e"
# ```
#
# With **a** and **d** every kind was used in training. **d** sounds right, because no *task* was used twice, but each is made of kinds that were. With **b** the kinds are new and the gardens are not: the learner may have learned what soil, light and camera look like there. With **c** the gardens are new and the kinds are not. Only **e** tests both promises. It costs photographs, because many belong to neither part.
#
# </details>

# %% [markdown]
# ## The same things under other names
#
# You will meet these in papers and in other people's code. This course uses the left column only. New words in it are used from notebook 02 on.
#
# | here | elsewhere |
# | --- | --- |
# | task | episode, in few-shot classification |
# | `n_way`, `k_shot` | ways and shots, N and K |
# | support set | the task's training set, context set; in MAML's code `inputa`, `labela` |
# | query set | the task's test set, target set; in MAML's code `inputb`, `labelb` |
# | `inner_lr` (α), the learning rate of an inner step | `fast_lr`, `update_lr`, task learning rate |
# | `meta_lr` (β), that of an outer step | outer learning rate; in Reptile the step size ε |
# | `inner_steps`, how many in each task | `num_updates`, adaptation steps |
# | `meta_steps`, how many outer steps | iterations, sometimes (wrongly) epochs |
# | `meta_batch_size`, how many tasks in each outer step | tasks per batch |
# | meta-train, meta-val, meta-test | base, validation and novel classes |

# %% [markdown]
# ## Quiz
#
# **1.** A 20-way 5-shot task with `n_query = 15`. How many images does it hold, and how many of them may the learner learn from?
#
# <details><summary>Answer</summary>
#
# 20 × (5 + 15) = 400, of which 20 × 5 = 100 are the support set. `k_shot` and `n_query` count *per class*. For waves, which have no classes, they count the examples of the task.
#
# </details>
#
# **2.** The inner loop must not use the query set. May the *outer* loop use the query sets of meta-train tasks?
#
# <details><summary>Answer</summary>
#
# Yes, it must: the query errors of meta-train tasks are what moves $\theta$. What it must not use are the tasks of meta-test, neither their support nor their query. $\theta$ does not change there.
#
# </details>
#
# **3.** Within a task, support and query show the *same* classes. Meta-train and meta-test must show *different* ones. Why?
#
# <details><summary>Answer</summary>
#
# Each level tests its own promise. Within a task: "show me a few examples of something, and I know others of it". That needs the same classes. Over all tasks: "I can do that for things that I have not met". That needs other classes.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Build a family of tasks, and say what is common in it and what differs.
# - Read `(T, S, 1)` and `(T, n_way * k_shot, 1, H, W)` from left to right.
# - Tell an inner step, which makes a $\varphi_i$, from an outer step, which moves $\theta$.
# - Split by class, reassign labels in each task, and distrust a score that does not say how the data were split.
#
# ## What comes next
#
# You have tasks, but no network has learned one yet. [Notebook 02](02_why_ordinary_learning_fails.ipynb) tries the ordinary ways, from scratch and by pooling all tasks, on the family of waves that you have built.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): the family of waves (section 5.1), and the two loops as algorithm 1.
# - O. Vinyals and others, *Matching Networks for One Shot Learning*, NeurIPS 2016, [arXiv:1606.04080](https://arxiv.org/abs/1606.04080): episodes, and the words *n-way* and *k-shot*.
# - B. Lake, R. Salakhutdinov, J. Tenenbaum, *Human-level concept learning through probabilistic program induction*, Science 350, 2015, [doi:10.1126/science.aab3050](https://doi.org/10.1126/science.aab3050): Omniglot.
# - A. Santoro and others, *Meta-Learning with Memory-Augmented Neural Networks*, ICML 2016, [PMLR 48](https://proceedings.mlr.press/v48/santoro16.html): labels that are shuffled from episode to episode, so that the network cannot memorise them.
