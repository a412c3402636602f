"""Language models: loaded, converted, trained, placed on devices."""
