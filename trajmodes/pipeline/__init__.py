"""The conductor: composes the stages; no formula lives here.

In: a `Job`. Out: a matched run (`load`), a check (`check`), results and their folder (`run`,
`projected`, `sed`, `molecule_job`), and what a folder allows later (`scan`, `export`, `movie`).
Open `run` first: it is the main job from end to end, its two passes in `fit` and `project`,
what is made of lifetimes in `transport`. `written` writes the folder, `api` holds the functions
of ``import trajmodes``.
"""
