"""`kith demo`: the main job, shown on the parts that `kith up` starts."""
