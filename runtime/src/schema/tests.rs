mod derived;
