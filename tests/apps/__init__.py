"""The apps that the oracle is asked about; each module of an app holds one `APP`."""
