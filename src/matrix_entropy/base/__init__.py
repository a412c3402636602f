"""What every other room needs: errors, files, JSON, the files that come with the library."""
