# %% [markdown]
# # Which shots
#
# A test has five classes and one example of each. You measure whether training should look the same, and you find that it should not. Then you compare a mean with attention to every example.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | which classes and shots to train on, and how Matching Networks differ |
# | **You will be able to** | compare two trainings task by task · update a class with one more example · explain attention over a support set · train on photographs of your own |
# | **You need** | [08](08_prototypical_networks.ipynb) |
# | **Time** | 15 minutes to read, 5 for the exercises, about 20 seconds to run |
# | **Skip it if** | you know what more classes and more shots in training do to a test with few |

# %% tags=["setup"]
import numpy as np
import torch
from numpy.random import default_rng

from mlcourse import methods
from mlcourse.evaluation import evaluate
from mlcourse.experiments import results
from mlcourse.fast import matching, networks, protonet
from mlcourse.fast.learners import MetricLearner
from mlcourse.lessons import checks, figures
from mlcourse.tasks import glyphs, one
from mlcourse.tasks.images import Episodes
from mlcourse.training import train

torch.set_num_threads(1)
letters = glyphs.splits()
one_of_each = letters.train.one_of_each()
test = Episodes(letters.test, n_way=5, k_shot=1, n_query=5)

# %% [markdown]
# ## More classes than the test has
#
# The obvious training is on tasks of exactly the kind that is tested. Notebook 08 trained with 20 classes instead. More classes make a training task harder: 19 wrong letters instead of 4, so more of the letters that are easily confused. In this comparison the 5-way training gets four tasks for each task of the 20-way training. So both use the same number of images. The network has 8 channels, and training takes 300 steps.
#
# **Predict.** Tested 5-way 1-shot, by how much does the 20-way training win: less than one point, one to five, or more? Or does it lose?

# %%
small = networks.conv4(None, channels=8)

def short_run(n_way, meta_batch_size):
    """Train the small network briefly on tasks of one kind; return its learner and its score with one shot."""
    method = methods.ProtoNet(small, n_way=n_way, meta_lr=16e-3, halvings=3)
    run = train(method, small.init(default_rng(0)), Episodes(letters.train, n_way, k_shot=1, n_query=2), meta_steps=300,
                meta_batch_size=meta_batch_size, seed=0, device="cpu", capture="eager", progress=False)
    learner = run.learner(frozen_on=one_of_each)
    return learner, evaluate(learner, test, n_tasks=600, rng=default_rng(0))

(learner, many), (_, few) = short_run(20, 1), short_run(5, 4)
print("20-way training:", many)
print(" 5-way training:", few)

difference = many.scores - few.scores                    # task by task: both met the same 600
half_width = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
print(f"difference {100 * difference.mean():.1f} ± {100 * half_width:.1f} points (95 % interval over tasks)")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert difference.mean() - half_width > 0 and 0.005 < difference.mean() < 0.05

# %% [markdown]
# **What you saw.** More classes win by about two points, and the interval of the *difference* does not contain zero. The difference is taken task by task, because both met the same tasks. But this is one seed.
#
# ## More shots than the test has
#
# `python -m mlcourse reproduce transfer` trains the network of notebook 08 in full, with three seeds: 20-way 1-shot as on the page, then with 5 classes, then with 5 shots. All three use the same number of images. All three have the learning rate that was chosen for the first. The other two might do a little better with their own.
#
# **Predict.** One network trains with one shot, another with five. Both are tested with five shots. Which is better?

# %% tags=["hide-input"]
stored = results.load("transfer_glyphs_to_omniglot")
spreads, columns = stored["details"]["spread over seeds"], ["glyphs, 1-shot", "glyphs, 5-shot"]
trainings = {"squared distance": "20-way 1-shot", "squared distance, 5-way training": "5-way 1-shot",
             "squared distance, 5-shot training": "20-way 5-shot"}
rows = {row["method"]: row["values"] for row in stored["rows"]}
figures.table([{"trained": words} | {column: "{:.1f} ± {:.1f}".format(*rows[name][column]) for column in columns} |
               {"spread over seeds": f"{spreads[name][columns[0]]:.1f}"} for name, words in trainings.items()],
              "Accuracy in %, tested 5-way on unseen scripts of the glyphs, mean over three seeds. ± is the 95 % interval over "
              "600 tasks; the spread is the standard deviation over seeds, 1-shot. Not transductive.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
ours = {name: {column: mean for column, (mean, _) in values.items()} for name, values in rows.items()}
assert 1 < ours["squared distance"][columns[0]] - ours["squared distance, 5-way training"][columns[0]] < 1.5
assert max(spreads[name][columns[0]] for name in list(trainings)[:2]) < 0.7
assert 2 < ours["squared distance"][columns[0]] - ours["squared distance, 5-shot training"][columns[0]] < 3
assert all(ours["squared distance, 5-shot training"][column] < ours["squared distance"][column] - 0.3 for column in columns)
assert round(ours["squared distance"][columns[1]]) == 99 and len(stored["seeds"]) == 3
assert stored["details"]["settings"]["meta_steps"] * 3 // 7 == 642

# %% [markdown]
# **What you saw.** The network that was trained with one shot, in both tests. Five shots in training help neither test here, not even the test with five shots. There are two likely reasons. Five images of each class go into a mean, so fewer images are queries. And with the same number of images there are fewer steps: 642 instead of 1,500. The paper advises the same number of shots in training as in the test. With our small budget one shot was better for both.
#
# More classes also win with three seeds, by a little more than one point. The spread over seeds is at most about half of that.

# %% [markdown]
# ## One more example
#
# The network that was trained with one shot gains from five in the test, because a mean of five points lies nearer to the true centre than any one of them. The examples need not come all at once.

# %% [markdown]
# ### Exercise 8.4 ●●○○○ One more example
# *5 minutes. Why it matters: in use, new examples come in one by one, and you do not want to train again.*
#
# A class has a `prototype`, the mean of `count` embedded examples. A new `embedding` of the same class arrives. Return the new prototype and the new count. The old examples are no longer there.

# %% tags=["exercise"]
def add_example(prototype, count, embedding):
    """Return (the mean of count + 1 examples, count + 1)."""
    return ...

# %% tags=["check"]
checks.nb08.add_example(add_example)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# The old prototype stands for `count` examples: their sum is `count * prototype`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Equivalently: move the prototype towards the new point, by one part in `count + 1` of the way.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def add_example(prototype, count, embedding):
#     moved = prototype + (embedding - prototype) / (count + 1)
#     return moved, count + 1
# ```
#
# A new *class* is as cheap: one more row in the array of prototypes.
#
# </details>

# %% [markdown]
# ## Attention in place of a mean
#
# Matching Networks came a year before prototypical networks, and have no prototypes. A query gives *every* support example $z_i = f_\theta(x_i)$ a weight, its **attention**. The weights add up to 1. The probability of a class is the sum of the weights of its examples. The paper also lets the support set change the embedding; this is left out here.
#
# $$a_i = \frac{\exp(\cos(z, z_i))}{\sum_j \exp(\cos(z, z_j))}, \qquad p(y = k \mid x) = \sum_{i\,:\,y_i = k} a_i$$
#
# With one example of each class each sum has one term, and a prototype *is* its only example. Then the two methods differ in the measure alone: cosine here, squared distance there. So both can be put on the same trained network.
#
# **Predict.** On 600 tasks, how many points does the rule of Matching Networks lose: fewer than five, ten, or twenty as in notebook 08 after training with cosines?

# %%
task = one(test.sample(1, default_rng(3)), 0)
points = small.apply(learner.params, torch.as_tensor(np.concatenate([task.support.x, task.query.x])))
support, queries = points[:5], points[5::5]                           # one query of each class
attention = torch.softmax(matching.cosines(queries, support), dim=-1).numpy()
nearness = protonet.log_probabilities(queries, support).exp().numpy()
print("attention of query 0, by cosine:           ", attention[0].round(2))
print("probabilities of query 0, by squared distance:", nearness[0].round(2))

# %%
matched = evaluate(MetricLearner(matching.classify, small, learner.params), test, n_tasks=600, rng=default_rng(0))
print("squared distance:", many)
print("matching:        ", matched)

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(1, 2, height=3.1)
    for panel, (name, weights) in zip(axes, {"cosine": attention, "squared distance": nearness}.items(), strict=True):
        panel.imshow(weights, vmin=0, vmax=1, extent=(0, 5, 5, 0))
        for row, column in np.ndindex(5, 5):
            dark = weights[row, column] > 0.5
            panel.text(column + 0.5, row + 0.5, f"{weights[row, column]:.2f}", ha="center", va="center", fontsize=8,
                       color="white" if dark else figures.INK)
        for k in range(5):
            for image, box in ((task.support.x[k, 0], (k + 0.05, -1.0, 0.9, 0.9)), (task.query.x[5 * k, 0], (-1.0, k + 0.05, 0.9, 0.9))):
                left, top, width, height = box
                panel.imshow(image, vmin=0, vmax=1, extent=(left, left + width, top + height, top))
        panel.set(xlim=(-1.05, 5), ylim=(5, -1.05), xticks=[], yticks=[], aspect="equal")
        panel.spines[:].set_visible(False)
        panel.set_title(name, fontsize=9.5)
figures.show(figure, alt="Two tables of weights, five queries in rows, five support letters in columns. By cosine all weights are near 0.2, the diagonal a little higher; by squared distance they differ much more, and most of the weight is on the diagonal.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert attention.max() < 0.3 and attention.min() > 0.13 and nearness.max(axis=1).min() > 0.4 and nearness.diagonal().sum() > 2.5
assert 0 < many.mean - matched.mean < 0.05

# %% [markdown]
# **What you saw.** Fewer than five. The cosine gives each example about a fifth, and the squared distance chooses much more clearly. But accuracy only asks which weight is the *largest*, and the space was trained with squared distances. Training with plain cosines is what costs points, as notebook 08 showed: the probabilities are too even to learn much from.
#
# With more shots there is a second difference. Matching Networks add up the attention of the examples; prototypical networks average the examples first.

# %% [markdown]
# ## A walk through a learned space
#
# These are tasks in the space of a longer training, with letters that were not trained on. Choose a query, and change the measure. The picture has two directions, the space has more. So a query can be nearest to one star in the picture and still belong to another: the line below the picture says so. A flat picture of a learned space shows less order than there is.

# %%
from mlcourse.lessons.widgets import PrototypeExplorer

PrototypeExplorer.shipped(view="space")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
from mlcourse.lessons.widgets.prototypes.prototypes import log_probabilities

space, misled = PrototypeExplorer.shipped(view="space"), []
for number in range(5):
    space.episode = number
    guesses = [log_probabilities(space.queries[:, :axes], space.prototypes[:, :axes], "squared").argmax(axis=1) for axes in (2, None)]
    misled.append(int((space.judged_right & (guesses[0] != guesses[1])).sum()))
assert sum(misled) > 0 and space.points.shape[1] > 2, misled

# %% [markdown]
# ## Photographs
#
# A network that was trained on strokes knows only strokes. For photographs of your own:
#
# 1. Read them with `own.read_folder(folder, colour=True, size=64)`. `own.from_arrays(images, labels)` does the same for arrays.
# 2. Cut the *classes* with `split_at_random` into meta-train, meta-val and meta-test.
# 3. Give `conv4` the same `in_channels=3` and `size`, and train as in notebook 08.
# 4. Print the score of `baselines.nearest_class_mean()` next to yours. It says how much the pixels alone can do.
#
# You need many *classes* rather than many images of each. Ours learned from 2,166 letters with twenty drawings of each. A handful of classes is not enough to learn a space from.

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert letters.train.images.shape[:2] == (2166, 20)

# %% [markdown]
# ## References
#
# - J. Snell, K. Swersky, R. Zemel, *Prototypical Networks for Few-shot Learning*, NeurIPS 2017, [arXiv:1703.05175](https://arxiv.org/abs/1703.05175): more classes and equal shots in section 2.6.
# - O. Vinyals, C. Blundell, T. Lillicrap, K. Kavukcuoglu, D. Wierstra, *Matching Networks for One Shot Learning*, NeurIPS 2016, [arXiv:1606.04080](https://arxiv.org/abs/1606.04080): attention over the support set.
