package yamlpolicy

// Next reads one document.
var Next = next
