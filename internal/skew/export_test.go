package skew

// Holds is exported for tests: a wall clock cannot be set in one.
var Holds = holds
