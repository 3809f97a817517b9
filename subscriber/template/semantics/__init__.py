"""What Go does with values: truth, comparison, indexing, printing, nil.

Rules: values are JSON values (see `values`); a refusal is a `Fault` that names the offset of the
node; Go's own truth of a JSON value is Python's, so nothing is needed for it. These modules do not
know tokens, trees or Jinja.
"""
