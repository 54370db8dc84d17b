# %% [markdown]
# # Serve it, and capstones
#
# Five labelled points come in over HTTP. If nobody else is asking, the answer goes out in **less than a tenth of a second**, with the chance that it is right. On this page the course's meta-learners become a service: it keeps what it learns, it says when it does not know, and it raises an alarm when the tasks change.
#
# > **Recall.** [Notebook 03b](03b_time_to_deploy.ipynb) measured the *time to deploy*. Which seconds does it count: those of meta-training, of adapting, or of the first prediction?
# >
# > <details><summary>Answer</summary>
# >
# > Those of adapting and of the first prediction. Meta-training happens once, before the task arrives. What remains is short enough for a learner to learn *inside* a request.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | a server that adapts inside a request, an alarm that rises when tasks change, and three capstones |
# | **You will be able to** | cut a learner into adapt and predict · say which requests may run together · set the score below which a model abstains · tell chance from a shift · put a next version in place |
# | **You need** | [05](05_maml_from_zero.ipynb) (`adapt`, `vmap`), [08](08_prototypical_networks.ipynb) (prototypes) and [03](03_measuring_adaptation.ipynb) (intervals) |
# | **Time** | 40 minutes to read, 65 for the exercises, about 30 seconds to run |
# | **Skip it if** | you serve models already, and know what happens to what they learned when a process is killed |

# %% tags=["setup"]
import asyncio, json, shutil, subprocess, sys, tempfile, time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.random import default_rng

from mlcourse import baselines, paths
from mlcourse.experiments import results
from mlcourse.fast import losses, networks, protonet
from mlcourse.lessons import checks, figures, palette
from mlcourse.serving import confidence, registry
from mlcourse.tasks import Episodes, Examples, Sinusoids, Task, each, five_points, glyphs, one

torch.set_num_threads(1)
folder = Path(tempfile.mkdtemp())                            # for all that this page writes
models = folder / "models"
shutil.copytree(paths.data_folder() / "models", models)      # two small trained models come with the course
known = registry.Registry(models)
maml, proto = (known.model(name).servable.learner for name in ("sines", "glyphs"))

# %% [markdown] slide=["A learner cut in two", "Until now: `learner(support, query_x)`, one call.", "A server gets the support set now and the questions tomorrow. What must it keep?"]
# ## A learner cut in two
#
# So far a learner was one call, `learner(support, query_x)`. A server gets the support set now and the questions later, perhaps in another process. So cut the call in two. `adapt` makes an **adapter**: the arrays that this task adds to the model. `predict` takes them up again. (In notebook 18 the word had another meaning: a module with the names of another library.) Three more words: a **worker** is one process of the server, the **registry** is the folder of its models, and each training of a model is a **version** of it.
#
# Here are the halves of two learners that come with the course: MAML on sines, with five steps, and a prototypical network on letters.

# %%
def tensor(array):
    return torch.as_tensor(np.array(array), dtype=torch.float32)

def adapt_maml(support):
    phi, x, y = maml.params, tensor(support.x), tensor(support.y)
    for step in range(maml.inner_steps):
        slope = torch.func.grad(maml.loss)(phi, x, y)
        phi = {name: phi[name] - 0.01 * slope[name] for name in phi}
    return {name: p.numpy() for name, p in phi.items()}

def predict_maml(adapter, x):
    return maml.network.apply({name: tensor(p) for name, p in adapter.items()}, tensor(x)).numpy()

# %%
def adapt_proto(support):
    points, labels = proto.network.apply(proto.params, tensor(support.x)), torch.as_tensor(support.y)
    return {"points": protonet.prototypes(points, labels, int(labels.max()) + 1).numpy()}

def predict_proto(adapter, x):
    queries = proto.network.apply(proto.params, tensor(x))
    return protonet.log_probabilities(queries, tensor(adapter["points"])).numpy()

# %% [markdown]
# Put together again, the halves must be the learner. The package has them too, in `mlcourse/serving/servable.py`:

# %% tags=["nbval-ignore-output"] slide=["Together they are the learner again"]
letters = glyphs.splits()
tasks = {"sines": one(Sinusoids(5, 3).sample(1, default_rng(0)), 0),
         "glyphs": one(Episodes(letters.test, 5, 1, 3).sample(1, default_rng(0)), 0)}
halves = {"sines": (adapt_maml, predict_maml), "glyphs": (adapt_proto, predict_proto)}
rows = {}
for name, (adapt, predict) in halves.items():
    (support, query), served = tasks[name], known.model(name).servable
    adapter = adapt(support)
    (package,) = served.adapt(Examples(tensor(support.x).numpy()[None], support.y[None]))
    off = np.abs(predict(adapter, query.x) - served.learner(support, query.x)).max()
    apart = max(np.abs(array - package.arrays[part]).max() for part, array in adapter.items())
    rows[name] = [f"{off:.0e}", f"{apart:.0e}", f"{sum(a.size for a in adapter.values()):,}"]
figures.table([[name, *row] for name, row in rows.items()], "The largest differences, and the size of an adapter",
              columns=["model", "from the learner", "from the package's adapter", "numbers kept"])

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert all(float(off) < 1e-3 and float(apart) < 1e-3 for off, apart, _ in rows.values()), rows
assert rows["sines"][2] == "1,761" and rows["glyphs"][2] == "80"

# %% [markdown]
# They agree to the last digits of float32. MAML keeps all 1,761 parameters of its network, 7 kB. The prototypical network keeps five points of 16 numbers, a third of a kilobyte for five letters of a script that it had never seen.

# %% [markdown]
# ### Exercise 19.1 ●●○○○ Keep only what moved
# *10 minutes. Why it matters: where only the last layer adapts, a million adapters take no more room than a million last layers.*
#
# Parameters are dicts of arrays. `keep` returns those arrays of `phi` that differ from `theta`'s, by name, however little they differ. `back` makes all of `phi` again from `theta` and what was kept, and leaves `theta` as it is.

# %% tags=["exercise"]
def keep(theta, phi):
    """Return the arrays of phi that are not the same as theta's: {name: array}."""
    return ...

def back(theta, kept):
    """Return phi, with every name: {name: array}."""
    return ...

# %% tags=["check"]
checks.nb19.keep_and_back(keep, back)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# `np.array_equal(a, b)` compares two arrays. A dict comprehension with an `if` keeps some of the names.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `{**first, **second}` is a new dict. Where both have a name, the second one wins.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def keep(theta, phi):
#     return {name: phi[name] for name in phi if not np.array_equal(phi[name], theta[name])}
#
# def back(theta, kept):
#     return {**theta, **kept}
# ```
#
# </details>

# %% [markdown]
# ## A request
#
# `python -m mlcourse serve` starts the server, with a page to try it at `http://127.0.0.1:8000/`. The same app runs inside this notebook, without a port. It gets the folder of models, and a file for the adapters. The five points are those of notebooks 00 to 06.

# %% tags=["hide-input"]
import warnings

with warnings.catch_warnings(action="ignore"):                # the client names its successor
    from fastapi.testclient import TestClient

# %% tags=["nbval-ignore-output"]
from mlcourse.serving.app import create_app
from mlcourse.serving.settings import Settings

settings = Settings(models=str(models), store=str(folder / "adapters.sqlite"), feedback_window=50)
server = ExitStack()
client = server.enter_context(TestClient(create_app(settings)))

def ask(path, **body):
    return client.post(path, json=body).json()

def plain(examples):
    return {"x": examples.x.tolist(), "y": examples.y.tolist()}

points, wave = five_points()
made = ask("/adapt", model="sines", support=plain(points.support))
told = ask("/predict", adapter=made["adapter"], x=[[1.0], [2.0]])
print("POST /adapt  ", json.dumps(made, indent=1))
print("POST /predict", json.dumps(told))

# %% tags=["hide-input"] slide=["Five points in, a curve out"]
curve = ask("/predict", adapter=made["adapter"], x=points.query.x.tolist())["predictions"]
exact_curve = baselines.exact_sines()(points.support, points.query.x)
with figures.style():
    figure, axes = figures.canvas(height=2.6)
    axes.plot(points.query.x, exact_curve, color=figures.TRUTH, linewidth=4, label="the exact answer")
    axes.plot(points.query.x, curve, color=palette.METHODS["maml"][0], label="served")
    axes.plot(points.support.x, points.support.y, "o", color=figures.INK, label="sent")
    axes.set(xlabel="x", ylabel="y", ylim=(-4, 5.4))
    axes.legend(loc="upper center", ncols=3)
figures.show(figure, alt="Five dots, the exact sine through them in grey, and the served curve, which follows the sine closely where the dots are and less closely at the left.")

# %% [markdown]
# The adapter has a name, so another process can answer with it tomorrow. `confidence` and `abstain` come below. And a mistake gets a sentence that says how to mend it:

# %%
print(ask("/adapt", model="sines", support={"x": [[1.0, 2.0]], "y": [1.0]})["error"])
print(ask("/adapt", modell="sines", support=plain(points.support))["error"])

# %% [markdown]
# `POST /predict` also takes a support set with its questions, and keeps nothing. How long does that take, from five points to an answer?

# %% tags=["nbval-ignore-output"]
seconds = []
for task in each(Sinusoids(5, 1).sample(30, default_rng(0))):
    started = time.perf_counter()
    ask("/predict", model="sines", support=plain(task.support), x=task.query.x.tolist())
    seconds.append(time.perf_counter() - started)
print(f"median {1000 * np.median(seconds):.0f} ms, slowest of 30 {1000 * max(seconds):.0f} ms")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.median(seconds) < 0.1, seconds
assert made["version"] == 1 and len(told["predictions"]) == 2 and 0 < made["confidence"] <= 1

# %% [markdown] slide=["Sixteen at once", "Sixteen support sets wait. `vmap` adapts them in one call.", "Compared with one, it takes as long: 16 times, 4 times, or less than twice?"]
# ## Many at once
#
# While one request adapts, others arrive. Their support sets can be stacked, and `vmap` adapts them in one call.
#
# **Predict.** Sixteen support sets of sines in one call, compared with one: 16 times as long, 4 times, or less than twice? And sixteen support sets of letters, five images each?

# %% tags=["nbval-ignore-output"]
def together(name, n):
    family = Sinusoids(5, 1) if name == "sines" else Episodes(letters.test, 5, 1, 1)
    support = family.sample(n, default_rng(0)).support
    return Examples(support.x.astype(np.float32), support.y if name == "glyphs" else support.y.astype(np.float32))

sets = {(name, n): together(name, n) for name in ("sines", "glyphs") for n in (1, 2, 4, 8, 16)}
best = dict.fromkeys(sets, np.inf)
for attempt in range(6):                           # they take turns, so that a slow moment hits all alike
    for (name, n), support in sets.items():
        started = time.perf_counter()
        known.model(name).servable.adapt(support)
        best[name, n] = min(best[name, n], time.perf_counter() - started)
for name in ("sines", "glyphs"):
    print(f"{name}: one takes {1000 * best[name, 1]:.1f} ms, sixteen take {best[name, 16] / best[name, 1]:.1f} times as long")

# %% tags=["hide-input", "nbval-ignore-output"] slide=["Sines: hardly longer. Letters: in proportion"]
with figures.style():
    figure, axes = figures.canvas(height=2.7)
    for (name, words), colour, marker in zip({"sines": "sines, vmap", "glyphs": "letters, convolutions"}.items(), palette.TASKS, "os"):
        axes.plot((1, 2, 4, 8, 16), [1000 * best[name, n] for n in (1, 2, 4, 8, 16)], f"-{marker}", color=colour, label=words)
    axes.set(xlabel="support sets in one call", ylabel="ms for all of them", xticks=(1, 2, 4, 8, 16), ylim=0)
    axes.legend()
figures.show(figure, alt="The time of a call against the number of support sets, from 1 to 16. The line of the sines is almost level. That of the letters rises in proportion.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert best["sines", 16] < 2 * best["sines", 1], best
assert best["glyphs", 16] > 6 * best["glyphs", 1], best

# %% [markdown]
# **What you saw.** Sixteen sines take less than twice as long as one: a step of so small a network is mostly the price of *calling* torch. (Where sixteen come out a little *faster* than one, that is noise.) Convolutions are arithmetic from end to end, so their price grows with the number of images, and little is saved. That is why the server has two lanes. `Batched` waits at most 3 ms for others that may run together, which is called **micro-batching**. `Pooled` hands each request to one of a few threads.
#
# Here is the server's own lane, with 64 callers at the same moment. Each gets its own adapter back:

# %% tags=["nbval-ignore-output"]
from mlcourse.serving.lanes import Batched

sizes, crowd = [], together("sines", 64)
lane = Batched(lambda kind, items: known.model("sines").servable.adapt(Examples(*map(np.stack, zip(*items)))),
               most=16, seen=lambda size, seconds: sizes.append(size))
answers = await asyncio.gather(*(lane.submit("five points", (x, y)) for x, y in zip(*crowd)))    # 64 callers
await lane.close()
alone = known.model("sines").servable.adapt(Examples(crowd.x[7:8], crowd.y[7:8]))[0]
print("64 callers, in batches of", sizes)
print("the eighth one's adapter is off by", f"{max(np.abs(alone.arrays[n] - a).max() for n, a in answers[7].arrays.items()):.0e}")

# %% tags=["hide-input"]
from IPython.display import Markdown

load = results.load("serving")
columns = ["requests/s", "p50, ms", "p95, ms", "p99, ms", "CPU, ms"]
rate = {row["method"]: row["values"].get("requests/s") for row in load["rows"]}
figures.table([{"16 clients": row["method"], **{name: results.as_text(row["values"][name]) for name in columns}} for row in load["rows"] if "requests/s" in row["values"]],
              "A server under load: requests a second, the time that 50, 95 and 99 % of them stay below, and the processor time of one.")

# %% tags=["hide-input"]
Markdown(results.caption(load))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert sum(sizes) == 64 and max(sizes) == 16
assert 3 < rate["adapt, sines, micro-batched"] / rate["adapt, sines, one at a time"] < 5
assert rate["adapt, sines, two workers"] < 1.1 * rate["adapt, sines, micro-batched"]
cost = {row["method"]: row["values"].get("CPU, ms") for row in load["rows"]}
assert cost["adapt, 25 glyphs, JSON"] > 1.3 * cost["adapt, 25 glyphs, npy"]
kept = {row["method"]: row["values"].get("memory, MB") for row in load["rows"]}
assert kept["10,000 adapters made"] - kept["2,000 adapters made"] < 1
assert all(np.allclose(alone.arrays[n], a, atol=1e-3) for n, a in answers[7].arrays.items())

# %% [markdown]
# The program `hey` sent the requests, 16 at a time. By micro-batching the server adapts to about four times as many sines a second. Two workers bring no more here, since the clients run on the same two cores. The time of letters is that of their convolutions, so it matters less how they are sent; still, JSON of 25 images costs more than the same numbers in `npy`, the format of `numpy.save`. And from 2,000 kept adapters to 10,000 the server's memory grew by less than 1 MB.
#
# ### Exercise 19.2 ●●○○○ Who may run together
# *15 minutes. Why it matters: a batch that mixes two versions answers half of its callers wrongly.*
#
# `waiting` lists requests in the order in which they came: `(id, model, version, examples)`, the last being the size of the support set. Return lists of ids. Only requests with the same model, version and size run together, at most `most` of them. Groups come in the order of their first request. A group that is too large is cut into lists one after the other. If `a`, `b` and `c` are of one kind, `d` is of another, and they come in the order a d b c, then `most=2` gives `[[a, b], [c], [d]]`.

# %% tags=["exercise"]
def batches(waiting, most):
    """Return lists of ids: who runs together, in which order."""
    return ...

# %% tags=["check"]
checks.nb19.batches(batches)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# A dict keeps the order in which its keys came. Let the key be all that must be the same.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `together.setdefault(key, []).append(id)` collects. `ids[i : i + most]` for `i` in `range(0, len(ids), most)` cuts.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def batches(waiting, most):
#     together = {}
#     for id, *kind in waiting:
#         together.setdefault(tuple(kind), []).append(id)
#     return [ids[i : i + most] for ids in together.values() for i in range(0, len(ids), most)]
# ```
#
# </details>

# %% [markdown]
# ## What survives
#
# An adapter is all that is left of a support set. So the server answers "adapted" only when the adapter is on the disk: **acknowledged means committed**. Try it: a process writes adapters and prints a number after each. We kill it in the middle with signal 9, which no process can catch.

# %% tags=["nbval-ignore-output"]
WRITER = """
import asyncio, sys, numpy as np
from mlcourse.serving.sqlite_store import SqliteStore
from mlcourse.serving.store import Adapter

async def write():
    store = SqliteStore(sys.argv[1], max_age=None, cache_bytes=0)
    for n in range(1_000_000):
        await store.put(Adapter(f"task-{n}", "", "sines", 1, float(n), {}, {"w": np.full(1761, n)}))
        print(n, flush=True)

asyncio.run(write())
"""
file = str(folder / "killed.sqlite")
writer = subprocess.Popen([sys.executable, "-c", WRITER, file], stdout=subprocess.PIPE, text=True)
said = [int(writer.stdout.readline()) for _ in range(50)]
writer.kill()
said += map(int, writer.stdout.read().split())

# %% tags=["nbval-ignore-output"] slide=["Killed, and nothing is lost", "Acknowledged means committed."]
from mlcourse.serving.sqlite_store import SqliteStore

worker_a, worker_b = (SqliteStore(file, max_age=None, cache_bytes=2**20) for _ in range(2))
there = [await worker_a.get(f"task-{n}", "") for n in said]
print(f"{len(said)} acknowledged, {sum(a is not None for a in there)} there after the kill")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert len(said) >= 50 and all(a is not None and (a.arrays["w"] == n).all() for n, a in zip(said, there))

# %% [markdown] slide=["Deleted", "Worker B has just answered from its cache. Worker A deletes the adapter.", "How long does B go on answering?"]
# Forgetting is as hard as keeping. `DELETE /adapters/ID` asks for it.
#
# **Predict.** Two stores on one file, as two workers have them. B has just used adapter 7, and holds it in its cache. A deletes it. Does B go on answering: until its cache is full, for a few seconds, or not at all?

# %% slide=["Not once more"]
print("B before:", (await worker_b.get("task-7", "")) is not None)
print("A deletes:", await worker_a.delete("task-7", ""))
print("B after: ", (await worker_b.get("task-7", "")) is not None)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert (await worker_b.get("task-7", "")) is None and (await worker_b.get("task-8", "")) is not None
assert all(row["values"]["lost"] == 0 for row in results.load("serving_faults")["rows"])
assert [row["values"]["damaged"] for row in results.load("serving_faults")["rows"]] == [0, 0, 0, 1, 0, 0]

# %% [markdown]
# **What you saw.** Not once more. B's cache saves reading and decoding the arrays, but before each answer B asks the file whether the adapter is still there. No process holds state that counts, so any of them may be killed. The table shows a whole server under load when things break: nothing that it acknowledged was lost. One adapter lay on the page that we damaged. Its caller is told so, with status 410 and the advice to adapt again, and never gets a wrong number. On several machines Redis, a store that all can reach, takes the file's place (`--store redis://…`), and Ray can start and stop the processes: `mlcourse/serving/ray_app.py`.

# %% tags=["hide-input"]
faults = results.load("serving_faults")
figures.table([{"what happens": row["method"], **{name: row["values"][name] for name in ("acknowledged", "lost", "damaged")}} for row in faults["rows"]],
              f"What a server under load survives: adapters that it acknowledged, and what became of them. {faults['date']}, {faults['hardware']['cpu']}, "
              f"by `{faults['command']}`.")

# %% tags=["remove-cell"]
await worker_a.close()
await worker_b.close()

# %% [markdown] slide=["How sure?", "An answer that is wrong one time in forty: give it, or ask a person?"]
# ## How sure
#
# The model of the letters is wrong about 3 times in 100. *Which* times? A prediction's **score** is its largest probability. Where a model gives numbers, the score is that of the whole task: minus the loss on the support set after adapting. And a number counts as *right* when it is at most a **tolerance** off: for the sines of this page about 1, half of what it costs to predict zero.
#
# A score is no chance yet. When a model is registered, its predictions on validation tasks with as many examples are sorted by score and cut into twelve groups. The share right in each group is the **chance**, with straight lines between the groups. So a `confidence` of 1.0 means: of some 500 predictions with scores like this, none was wrong.
#
# You can also choose a **threshold**: below this score the model **abstains**, and a person is asked.

# %%
def tried(part, seed):
    return confidence.try_tasks(known.model("glyphs").servable, Episodes(part, 5, 1, 5), n_tasks=150,
                                rng=default_rng(seed), tolerance=None)

validation, test = tried(letters.val, 0), tried(letters.test, 1)         # other scripts
sure = confidence.fitted(validation, target=0.995)       # right 199 times in 200
share, right = confidence.answered(sure, test)
print(f"all answered: {test.right.mean():.1%} right; above the threshold: {share:.0%} answered, {right:.1%} right")

# %% tags=["hide-input"] slide=["Fewer answers, better ones"]
with figures.style():
    figure, axes = figures.canvas(height=2.7)
    for name, part, colour, line in (("validation", validation, palette.TASKS[0], "--"), ("new scripts", test, palette.TASKS[1], "-")):
        order = np.argsort(-part.scores.ravel(), kind="stable")
        n = np.arange(1, order.size + 1)
        axes.plot(100 * n / order.size, 100 * np.cumsum(part.right.ravel()[order]) / n, line, color=colour, label=name)
    axes.plot(100 * share, 100 * right, "o", color=figures.INK, label="at the threshold")
    axes.set(xlabel="answered, %", ylabel="right among these, %", xlim=(30, 101), ylim=(96.5, 100.1))
    axes.legend(loc="lower left")
figures.show(figure, alt="Two falling curves, the share right against the share answered. Both are at 100 % while half is answered, and fall to 97 or 97.5 % when all is. The one of new scripts is the lower one. A dot on it, at 93 % answered, marks the threshold.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 0.965 < test.right.mean() < 0.975 and 0.9 < share < 0.96 and 0.9885 < right < 0.9915, (share, right)
assert 0.25 < share * (1 - right) / (1 - test.right.mean()) < 0.4
sines_sure = known.model("sines")
assert abs(sines_sure.record["judged"]["tolerance"] - 1) < 0.05 and 5 in sines_sure.confidence and confidence.TARGET == 0.95
assert len(sines_sure.confidence[5].prediction.chances) == confidence.BINS == 12

# %% [markdown]
# At the dot the model answers 93 % of the questions and makes about a third of its errors. The curve of the new scripts lies a little below that of validation: we asked for 99.5 %, and got 99.0. A threshold is an estimate from other tasks, so measure again on tasks that it has not seen, as `register` does. In the server's answers this is `abstain`, for a share of 95 %.

# %% [markdown]
# ### Exercise 19.3 ●●●●○ Below which score to abstain
# *20 minutes. Why it matters: one wrong comparison, and the model is silent, or sure of everything.*
#
# `scores` and `right` are arrays `(n,)` of validation predictions. Answered are all predictions whose score is **at least** the threshold, so equal scores are answered together or not at all. Return the lowest of the scores for which the answered ones are right in a share of at least `target`. If there is none, return `np.inf`: nothing is answered.

# %% tags=["exercise"]
def threshold(scores, right, target):
    """Return the lowest score at which the share right among the answered reaches target."""
    return ...

# %% tags=["check"]
checks.nb19.threshold(threshold)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Sort by score, the highest first. `np.cumsum(right) / np.arange(1, n + 1)` is the share right for each number of answers.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Only the last one of equal scores is a place to stop. The share may fall below the target and come back: look for the last place where it is reached.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def threshold(scores, right, target):
#     order = np.argsort(-scores, kind="stable")
#     scores, right = scores[order], right[order]
#     share = np.cumsum(right) / np.arange(1, len(right) + 1)
#     last = np.append(scores[1:] != scores[:-1], True)
#     good = np.flatnonzero(last & (share >= target))
#     return scores[good[-1]] if len(good) else np.inf
# ```
#
# </details>

# %% [markdown]
# ## Watching it
#
# A caller who learns the truth sends it to `POST /feedback`. What was right of one adapter's answers is one observation. The server keeps the last 50, and compares their mean with what such windows show at meta-test.
#
# Meta-test measured the share right of each task. Let $p$ be its mean over tasks, and $s$ its standard deviation. If each adapter is asked $q$ questions, chance adds $p(1-p)/q$ to the variance. So the mean of $n$ adapters has the standard deviation $\sigma_n$, and the alarm rises below
#
# $$p - 3\,\sigma_n, \qquad \sigma_n = \sqrt{\frac{s^2 + p(1-p)/q}{n}}.$$
#
# One window in 700 falls so low by chance. In fact it is fewer: at meta-test, too, each task was asked a limited number of questions, so $s$ already holds some of this chance.

# %% [markdown] slide=["Mean over meta-test, spread over tasks, questions, adapters.", "Below which mean of a window is it no chance?"]
# ### Exercise 19.4 ●●○○○ The lowest that is still chance
# *10 minutes. Why it matters: an alarm that rises every day is switched off.*
#
# Return the bound above for `mean` $p$, `spread` $s$, `asked` $q$ and `window` $n$. A share cannot be below zero.

# %% tags=["exercise"]
def alarm_below(mean, spread, asked, window):
    """Return the lowest mean over a window that is still taken for chance."""
    return ...

# %% tags=["check"]
checks.nb19.alarm_below(alarm_below)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Variances add up, standard deviations do not. `spread` is a standard deviation.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Divide the variance of one adapter by `window`, then take the root. `max(0.0, ...)` sees to the last sentence.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def alarm_below(mean, spread, asked, window):
#     variance = spread ** 2 + mean * (1 - mean) / asked
#     return max(0.0, mean - 3 * np.sqrt(variance / window))
# ```
#
# </details>

# %% [markdown] slide=["A sensor is turned upside down", "The window holds the last 50 tasks.", "After how many upside-down tasks does the alarm rise: 1, about 10, or 50?"]
# Now the world changes. The sines come from a sensor, and after 60 tasks it is mounted upside down: every $y$ becomes $-y$. Each task is a sine as before, but one that meta-training has never met.
#
# **Predict.** After how many upside-down tasks does the alarm rise: 1, about 10, or 50? And does anything show *before* the first true label arrives?

# %%
sines = Sinusoids(k_shot=10, n_query=10)

def turned(tasks, signs):
    return Task(*(Examples(part.x, signs * part.y) for part in tasks))

def measures():
    """What the server tells Prometheus of the model sines."""
    lines = client.get("/metrics").text.splitlines()
    return {line.split("{")[0]: float(line.split()[-1]) for line in lines if '{model="sines/' in line}

def use(task):
    """One task through the server; what the measures say after it, its chance, and the share that was right."""
    adapter = ask("/adapt", model="sines", support=plain(task.support))["adapter"]
    chance = np.mean(ask("/predict", adapter=adapter, x=task.query.x.tolist())["confidence"])
    told = ask("/feedback", adapter=adapter, **plain(task.query))
    history.append(measures() | {"chance": chance, "right": told["right"] / told["asked"]})
    return adapter

def over_time(name):
    return np.array([row.get(name, np.nan) for row in history])

# %% slide=["About ten"]
history, adapters = [], []
for number, task in enumerate(each(sines.sample(90, default_rng(1)))):
    adapters.append(use(task if number < 60 else turned(task, -1)))
chance, alarm = over_time("chance"), over_time("mlcourse_few_shot_alarm")
rose = int(np.argmax(alarm[60:])) + 1
print(f"the alarm rose {rose} tasks after the sensor was turned")
print(f"its own chance to be right: {chance[:60].mean():.0%} before, {chance[60:].mean():.0%} after")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 4 <= rose <= 18 and not alarm[:60].any() and alarm[76:].all(), rose
assert 0.96 < chance[:60].mean() < 0.98 and 0.86 < chance[60:].mean() < 0.9, (chance[:60].mean(), chance[60:].mean())
assert 0.6 < over_time("right")[60:].mean() < 0.75

# %% [markdown]
# **What you saw.** About ten: each bad task pulls the mean of the window down a little, until chance no longer explains it. And the model's own chance fell before it had seen a true label, from 97 % to 88 % on average: it fits these support sets badly, so its scores are low. But only about two thirds of its answers are right now. A chance is read off validation tasks, and it is too high for tasks that are not like them. Watch both: scores are quick, and feedback is certain.

# %% [markdown]
# ## The next version
#
# What follows an alarm? The new family of tasks joins meta-training. Here meta-training goes on from the first version's parameters, with half of the sines upside down. A next version may be another method, too: this one is Meta-SGD, MAML that learns a rate for each parameter as well. It is judged on both families and registered beside the old version, and nobody notices yet.

# %%
from mlcourse.methods import MAML, MetaSGD
from mlcourse.training import train

def either(n_tasks, rng):
    return turned(sines.sample(n_tasks, rng), rng.choice([-1.0, 1.0], (n_tasks, 1, 1)))

network = networks.mlp((1, 40, 40, 1))
recipe = registry.Recipe("mlcourse.fast.networks:mlp", {"sizes": [1, 40, 40, 1]})
how = {"folder": models, "tolerance": known.record("sines")["judged"]["tolerance"], "n_tasks": 150, "promote_it": False}
second = train(MetaSGD(losses.squared_error(network), inner_lr=0.01), maml.params, either, meta_steps=1200,
               capture="eager", device="cpu", progress=False)
registry.register(second.learner(inner_steps=5), "sines", recipe, registry.Families(either, either), **how)
print("versions:", known.versions("sines"), "current:", known.current("sines"))

# %% slide=["Promoted; the old version still answers for its adapters"]
registry.promote("sines", 2, folder=models)
time.sleep(1.1)                                                    # servers look once a second
for task in each(sines.sample(50, default_rng(2))):
    use(turned(task, -1))
now = history[-1]
print(f"version 2 on upside-down sines: {now['mlcourse_few_shot_accuracy']:.0%} right, alarm: {now['mlcourse_few_shot_alarm']:.0f}")
print(f"its own chance to be right: {over_time('chance')[90:].mean():.0%}")
print("an adapter from before is answered by version", ask("/predict", adapter=adapters[0], x=[[0.5]])["version"])

# %% tags=["hide-input"] slide=["A shift, an alarm, a cure"]
with figures.style():
    figure, axes = figures.canvas(height=3.0)
    numbers = np.arange(1, len(history) + 1)
    bands = [100 * over_time("mlcourse_few_shot_accuracy" + part) for part in ("", "_half_width", "_lowest")]
    for begin, end, name, colour in ((0, 90, "version 1", palette.TASKS[0]), (90, len(history), "version 2", palette.TASKS[2])):
        x, accuracy, half, lowest = (values[begin + 5 : end] for values in (numbers, *bands))
        axes.plot(x, accuracy, color=colour)
        axes.fill_between(x, accuracy - half, np.minimum(accuracy + half, 100), color=colour, alpha=0.2, linewidth=0)
        axes.plot(x, lowest, ":", color=colour)
        axes.text(x[0] + 1, 103, name, color=figures.readable(colour), fontsize=9)
    alarmed = over_time("mlcourse_few_shot_alarm") == 1
    axes.plot(numbers[alarmed], bands[0][alarmed], "o", markersize=3.5, color=palette.OKABE_ITO["vermillion"], label="alarm")
    axes.axvline(60.5, color=figures.INK, linewidth=0.8)
    axes.text(59.5, 56, "turned", ha="right", fontsize=9)
    axes.set(xlabel="adapters, one after the other", ylabel="right over the window, %", ylim=(50, 108), yticks=range(50, 101, 10))
    axes.legend(loc="lower left")
figures.show(figure, alt="The share right over the window of 50 adapters, with its interval. It lies near 97 % for 60 tasks, then falls to about 80 %, and is marked as alarm from about the tenth turned task on. Version 2 begins a new window, above its own dotted bound.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert now["mlcourse_few_shot_accuracy"] > 0.8 and not now["mlcourse_few_shot_alarm"], now
assert alarmed[80:90].all() and not alarmed[90:].any()
assert known.versions("sines") == [1, 2] and known.current("sines") == 2
assert ask("/predict", adapter=adapters[0], x=[[0.5]])["version"] == 1
one_family, two_families = (known.record("sines", v)["judged"]["right"]["mean"] for v in (1, 2))
assert over_time("chance")[90:].mean() > chance[60:].mean() + 0.04, over_time("chance")[90:].mean()
old = [confidence.try_tasks(known.model("sines", version).servable, sines, n_tasks=100, rng=default_rng(9), tolerance=how["tolerance"])
       for version in (1, 2)]
assert 0.9 < two_families < one_family and 0 < old[0].right.mean() - old[1].right.mean() < 0.04, (one_family, two_families)
assert bands[2][-1] < bands[2][89] - 2, bands[2][[89, -1]]

# %% [markdown]
# The dotted lines are the bounds, the bands are the 95 % intervals of the windows. Version 2 begins with an empty window and a bound of its own: it was judged on *both* families, where it is right more than 9 times in 10 after a few seconds of training. Its tasks differ more from each other than version 1's, so its bound is lower: the alarm has become blunter. On the old sines alone it is right a little less often than version 1: two families are more to know than one. Adapters from before are still answered by version 1, which made them. If version 2 disappoints, `promote` brings version 1 back.
#
# `GET /metrics` tells all this to Prometheus, a program that collects such numbers, beside the five measures of [notebook 03](03_measuring_adaptation.ipynb): adaptation speed, few-shot accuracy, task generalisation gap, labels saved and time to deploy. The page at `/` draws them, and `mlcourse/serving/page/grafana.json` does so in Grafana, a program that draws them.

# %% [markdown]
# ## From task data to a request
#
# Here is the whole way, once around:

# %% tags=["hide-input"] slide=["From task data to a request, and back"]
with figures.style():
    figure, axes = figures.canvas(height=4.3)
    left = ["task files", "stream of tasks", "meta-training", "registry"]
    right_side = ["POST /feedback", "POST /predict", "store of adapters", "POST /adapt"]
    for column, (names, x, colour) in enumerate(((left, 0.24, palette.TASKS[0]), (right_side, 0.76, palette.TASKS[1]))):
        for row, name in enumerate(names):
            y = 0.86 - 0.25 * row
            axes.text(x, y, name, ha="center", va="center", fontsize=10.5,
                      bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour, "linewidth": 1.6})
            if row:
                down, up = (x, y + 0.19), (x, y + 0.06)
                axes.annotate("", *((up, down) if column == 0 else (down, up)), arrowprops={"arrowstyle": "-|>", "color": figures.INK})
    for y, begin, end in ((0.11, 0.37, 0.6), (0.86, 0.58, 0.38)):
        axes.annotate("", (end, y), (begin, y), arrowprops={"arrowstyle": "-|>", "color": figures.INK})
    axes.text(0.24, 0.98, "before, once", ha="center", fontsize=9.5, color=figures.readable(palette.TASKS[0]))
    axes.text(0.76, 0.98, "for each task", ha="center", fontsize=9.5, color=figures.readable(palette.TASKS[1]))
    axes.text(0.48, 0.9, "new\nfamilies", ha="center", va="bottom", fontsize=8.5)
    axes.text(0.485, 0.13, "versions", ha="center", va="bottom", fontsize=8.5)
    axes.set(xlim=(0, 1), ylim=(0, 1.05))
    axes.axis("off")
figures.show(figure, alt="A circle of eight boxes. Left, from top to bottom: task files, stream of tasks, meta-training, registry. An arrow leads right to POST /adapt, and up through the store of adapters and POST /predict to POST /feedback. From there an arrow, new families, leads back to the task files.")

# %% [markdown]
# The left side runs once, perhaps on another machine. Real task data can be larger than memory. `write_tasks` draws and stores them piece by piece, and `Streamed` is a task family that opens the files and reads only the tasks that it draws:

# %% tags=["nbval-ignore-output"]
from mlcourse.tasks.stream import Streamed, write_tasks

write_tasks(folder / "tasks", sines, 50_000, default_rng(0), per_file=10_000)
stream = Streamed(folder / "tasks")
print(stream)
short = train(MAML(losses.squared_error(network), inner_lr=0.01), network.init(default_rng(0)), stream,
              meta_steps=200, capture="eager", device="cpu", progress=False)
print("loss while training from the files:", short.curve["loss"].round(2))

# %% tags=["hide-input"]
streamed = results.load("stream")
Markdown(results.table(streamed))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
memory = {row["method"]: row["values"]["own memory, MB"] for row in streamed["rows"]}
rates = {row["method"]: row["values"].get("tasks a second, first", 0) for row in streamed["rows"]}
assert memory["mapped: Streamed"] - memory["nothing but the imports"] < 100 and memory["loaded whole"] > 2000
letters_made = known.record("glyphs")["made"]
assert letters_made["meta_steps"] == 1500 and letters_made["meta_batch_size"] == 1 and 30 < letters_made["wall_seconds"] < 120
assert rates["mapped: Streamed"] > 1000 and short.curve["loss"][-1] < short.curve["loss"][0]

# %% [markdown]
# Mapped, 2 GB of tasks cost the process almost no memory of its own. The pages that it reads are the system's, which takes them back when others need the room. Loaded whole, every byte is the process's. Memory is faster, but this is not where the time goes: the files give more than a thousand tasks a second, and the model of the letters took a minute or so for its 1,500 tasks. torch's `DataLoader` reads in processes beside yours. That pays where a task must be decoded or cut out of something larger; here the way between the processes costs more than the reading.
#
# Without a server, a batch scheduler can adapt as a short job: `python -m mlcourse adapt tasks/*.npz` prints a line of JSON for each file, and ends.

# %%
from mlcourse.serving import jobs

support, query = tasks["sines"]
np.savez(folder / "task.npz", x=support.x, y=support.y, query=query.x)
for answer in await asyncio.to_thread(lambda: list(jobs.run([folder / "task.npz"], "sines", 1, models=models))):
    print({key: np.round(answer[key], 2).tolist() for key in ("version", "predictions", "confidence")})

# %% [markdown]
# ## What can go wrong
#
# **A cache that answers for the dead.** One line saves a trip to the store, and break the promise of `DELETE`:

# %%
import functools

store = {"7": "what was learned from Ada's letters"}
worker_b = functools.lru_cache(store.get)          # B's cache
worker_b("7")
del store["7"]                                     # A deletes
print("B still answers:", worker_b("7"))

# %% [markdown] slide=["Old adapters, new weights", "The new network is as good as the old one: 97 %.", "Old adapters are answered by new weights: 97 %, some points less, or near guessing?"]
# **Old adapters meet new weights.** You train again and overwrite the model in its place. Each accuracy that you measure is as good as before. Here the "new" network is the old one with its 16 outputs in another order, as another seed might have left them.
#
# **Predict.** With fresh adapters it is as good as the old one, 97 %. Adapters of the old network are answered by the new weights: still about 97 %, some points less, or near the 20 % of guessing?

# %% slide=["Near guessing, and no error"]
order = default_rng(0).permutation(16)
new = {name: p[order] if name.endswith("3") else p for name, p in proto.params.items()}      # the last layer's channels
scripts = Episodes(letters.test, 5, 1, 5).sample(60, default_rng(3))

def share_right(before, after):
    right = []
    for support, query in each(scripts):
        points = protonet.prototypes(proto.network.apply(before, tensor(support.x)), torch.as_tensor(support.y), 5)
        answers = protonet.log_probabilities(proto.network.apply(after, tensor(query.x)), points)
        right.append(np.mean(answers.argmax(dim=1).numpy() == query.y))
    return np.mean(right)

print(f"old adapters, old weights {share_right(proto.params, proto.params):.0%}; new, new {share_right(new, new):.0%}; "
      f"old adapters, new weights {share_right(proto.params, new):.0%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert share_right(new, new) == share_right(proto.params, proto.params) > 0.95 and share_right(proto.params, new) < 0.5
assert worker_b("7") is not None

# %% [markdown]
# **What you saw.** Near guessing: no error, no warning, wrong numbers. So an adapter carries the version that made it and a fingerprint of its weights, and a version is never written over. With other weights the server answers 410.
#
# **Statistics that mix callers.** Batch normalisation that looks at its batch makes your answer depend on who else asks at the same moment. Take away the statistics that were frozen after training, and put another caller's dark images into the batch:

# %%
unfrozen = {name: p for name, p in proto.params.items() if not name.startswith(("mean", "variance"))}
mine, theirs = tensor(tasks["glyphs"].query.x), 1 - tensor(scripts.query.x[0])
for name, params in (("frozen", proto.params), ("looks at its batch", unfrozen)):
    with_others = proto.network.apply(params, torch.cat([mine, theirs]))[: len(mine)]
    moved = (with_others - proto.network.apply(params, mine)).norm() / proto.network.apply(params, mine).norm()
    print(f"{name}: my embeddings move by {moved:.0%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert moved > 0.1, moved

# %% [markdown]
# ## Capstones
#
# Choose one. The first takes an evening, the others a day or two.
#
# **1. Reproduce a table.** Run `python -m mlcourse reproduce kin --seeds 3 --seeds 4 --seeds 5 --out mine.json`, which takes about a minute, or `reproduce sinusoid`. *Done when:* your table stands beside the stored one (`python -m mlcourse results table kin`), you say for each cell whether the intervals overlap, and you explain one cell where they do not, or why none was to be expected.
#
# **2. Your own task family.** Problem set 4, `assignments/ps4/ps4.ipynb`, asks for it, from an idea to a failure. *Done when:* the four checks of its question 1 pass, and your family goes through `write_tasks`, `train` and `registry.register`. The contract has a hidden part as well; `python -m mlcourse assignment grade` judges both.
#
# **3. Deploy your own lines.** Your `adapt` of exercise 5.1 and your `meta_loss` of 5.2 meta-train a network. It is registered and served, and judged on held-out tasks by requests alone. *Done when:* the cells below run with *your* functions, its error is less than a third of the untrained start's, and the server's answers are those of your own `adapt`. The cells take the course's versions where you have none.

# %% tags=["hide-input"]
from mlcourse.lessons import note, yours
from mlcourse.reference import adam
from mlcourse.reference import losses as plain_losses, maml as plain_maml, networks as plain_networks
from mlcourse.reference.autograd import grad

def course_adapt(loss, theta, support, inner_lr, inner_steps):
    return plain_maml.adapt(loss, theta, support, inner_lr=inner_lr, inner_steps=inner_steps)

def course_meta_loss(loss, adapt, theta, tasks, inner_lr, inner_steps):
    after = [adapt(loss, theta, t.support, inner_lr, inner_steps) for t in each(tasks)]
    return sum(loss(phi, *t.query) for phi, t in zip(after, each(tasks), strict=True)) / len(after)

# %%
adapt, meta_loss = yours("5.1", otherwise=course_adapt), yours("5.2", otherwise=course_meta_loss)
own = plain_networks.mlp((1, 40, 40, 1))
loss = plain_losses.squared_error(own)
theta = start = own.init(default_rng(0))
moments, rng = adam.init(theta), default_rng(0)
for step in range(1000):
    batch = sines.sample(4, rng)
    slope = grad(lambda theta: meta_loss(loss, adapt, theta, batch, 0.01, 1))(theta)
    theta, moments = adam.update(theta, slope, moments, lr=3e-3)

# %%
from mlcourse.fast.arrays import tensors
from mlcourse.fast.learners import GradientLearner

learner = GradientLearner(network, losses.squared_error(network), tensors(theta, device="cpu", dtype=torch.float32), 0.01, 5)
registry.register(learner, "mine", recipe, registry.Families(sines, sines), folder=models, n_tasks=100)

def served(task):
    return ask("/predict", model="mine", support=plain(task.support), x=task.query.x.tolist())["predictions"]

def by_hand(theta, task):
    return own.apply(adapt(loss, theta, task.support, 0.01, 5), task.query.x)

held_out = list(each(sines.sample(60, default_rng(123_456))))
learners = {"untrained start, by your adapt": lambda task: by_hand(start, task), "your own lines, over HTTP": served,
            "the exact answer": lambda task: baselines.exact_sines()(task.support, task.query.x)}
errors = {name: np.mean([(predict(t) - t.query.y) ** 2 for t in held_out]) for name, predict in learners.items()}
figures.table([[name, f"{error:.2f}"] for name, error in errors.items()],
              "Squared error on 60 held-out sines, ten exact points each", columns=["", "error"])

# %% tags=["nbval-ignore-output"]
apart = max(np.abs(by_hand(theta, t) - served(t)).max() for t in held_out[:10])
print(f"the server's answers and those of your own adapt differ by {apart:.0e} at most")
if adapt is not course_adapt:
    note("meta-trained with your own lines and served in 19, squared error", own=errors["your own lines, over HTTP"])
server.close()
shutil.rmtree(folder)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
first, mine, exact = errors.values()
assert mine < first / 3 and apart < 1e-2 and exact < 1e-6, (errors, apart)

# %% [markdown]
# ## Quiz
#
# **1.** A server runs with four workers. One is killed while it adapts. What is lost?
#
# <details><summary>Answer</summary>
#
# The requests that it was working on. They were not acknowledged, so their callers know, and send them again. Every acknowledged adapter is in the store, and the other three workers answer for it.
#
# </details>
#
# **2.** The mean of the window has fallen from 97 % to 94 %, and there is no alarm. Is all well?
#
# <details><summary>Answer</summary>
#
# It may be chance: windows of this size often show 94 %. Or it is the beginning of a shift, of which the window holds few tasks so far. Look at how often the model abstains, and wait for more feedback. The bound says what chance explains, not that nothing has happened.
#
# </details>
#
# **3.** You want to batch the embeddings of letters on a *GPU*. This page says that batching buys little. Do you believe it?
#
# <details><summary>Answer</summary>
#
# Not for a GPU. On a CPU one image already keeps the processor busy. A GPU is mostly idle with one image, so there a batch is nearly free: [notebook 09](09_the_same_lines_on_a_gpu.ipynb) measured it. What pays is a question of the machine, so measure on yours.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Serve a meta-learner: adapt inside a request, keep what was learned, forget it everywhere.
# - Say how sure an answer is, and choose below which score to ask a person.
# - See a shift, tell it from chance, and put the next version in place without breaking the old one's adapters.
#
# ## What comes next
#
# A capstone, and then your own problem. The course ends here; `python -m mlcourse passport` shows what you have solved.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400); J. Snell, K. Swersky, R. Zemel, *Prototypical Networks for Few-shot Learning*, NeurIPS 2017, [arXiv:1703.05175](https://arxiv.org/abs/1703.05175): the two learners.
# - Y. Geifman, R. El-Yaniv, *Selective Classification for Deep Neural Networks*, NeurIPS 2017, [arXiv:1705.08500](https://arxiv.org/abs/1705.08500): a threshold with a guarantee.
# - D. Sculley and others, *Hidden Technical Debt in Machine Learning Systems*, NeurIPS 2015: what surrounds a model that is in use.
