"""The harness of `benchmarks/bench.py`.

    bench.py        the commands
    measures/       one file per benchmark: what is run, how often, with what
    trial.py        one run of one contestant, from start to proof
    contestants.py  who takes part, and how each is started
    stage.py        nats-server, sink and publisher, on the servers' core
    processes.py    children: pinned, measured, ended by id
    events.py       the events, and what must be said of each
    proof.py        whether the work was really done
    figures.py      medians, percentiles, ratios
    machine.py      the header: hardware, kernel, versions
    report.py       RESULTS.json -> RESULTS.md

Rules: a run that did not do the work ends everything with an error, never with a figure. A figure
is never compared across rounds: ratios are taken inside a round and then the median of them.
"""
