"""Tables, figures and pages made from records, without torch or the images."""
