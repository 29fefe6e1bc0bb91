"""Real parts as child processes: started on free ports, alive-checked, ended by process id."""
