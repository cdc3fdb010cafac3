"""What the lab can put to the test: longwire, and others for comparison."""
