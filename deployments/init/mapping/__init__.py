"""The proposal of a mapping: what columns probably hold, what tables refer to, and the file with the queries."""
